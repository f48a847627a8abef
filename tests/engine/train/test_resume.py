from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import TrainingError
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.train.checkpoint import Checkpoint, Checkpointing, Interrupted
from engine.train.config import Optimizer
from engine.train.loop import TrainResult
from tests.engine.networks import Array, network
from tests.engine.train.cases import LABELS, Case, Scripted, one_weight, optimizer

BATCH = 8
"""Rows of a mini-batch: five of them an epoch."""


def normalized() -> Graph:
    """Return a network with all that has a state: dropout and batch normalisation."""
    return (
        Graph("net")
        .add("data", Input(dropout=0.1))
        .add("fc1", FullyConnected(n=6, act="IDENTITY", include_bias=False), ["data"])
        .add("bn", BatchNormalization(act="TANH"), ["fc1"])
        .add("fc2", FullyConnected(n=5, dropout=0.3), ["bn"])
        .add("out", Output(), ["fc2"])
    )


def case() -> Case:
    return Case(LABELS, normalized(), BuildOptions())


class After:
    """Interrupts at the n-th question, and keeps the checkpoint as bytes."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.body = b""

    def interrupted(self) -> bool:
        self.left -= 1
        return self.left < 0

    def save(self, checkpoint: Checkpoint) -> None:
        self.body = checkpoint.to_bytes()


def plain(result: TrainResult) -> list[Any]:
    """Return the history without what the clock says."""
    return [replace(record, seconds=0.0) for record in result.history]


SOLVERS = [
    optimizer("VANILLA", reg_l1=1e-3),
    optimizer("MOMENTUM", algorithm={"learning_rate_policy": "STEP", "step_size": 1}),
    optimizer("NESTEROV"),
    optimizer("ADAM", rate=0.02, reg_l2=1e-3, early_stopping=9),
    optimizer("ADAMW", rate=0.02, algorithm={"warm_up": 2}),
    optimizer("ADAGRAD"),
    optimizer("RMSPROP", rate=0.02),
    optimizer("NATGRAD", rate=0.01),
    optimizer("LBFG", mini_batch_size=BATCH, algorithm={"m": 3}),
    optimizer("LBFG"),
]


@pytest.mark.parametrize("options", SOLVERS, ids=lambda o: o.algorithm.method)
@pytest.mark.parametrize("batches", [2, 3])
def test_a_run_taken_up_again_ends_with_the_bits_of_one_that_never_stopped(
    options: Optimizer, batches: int
) -> None:
    # whole-table runs ask once an epoch, the others five times
    asked = batches if options.is_full_batch else batches * 4
    options = options.model_copy(update={"max_epochs": 5})
    more: dict[str, Any] = {"record_seed": 3, "keep_best": True}
    whole, first, second = case(), case(), case()
    expected = whole.train(options, BATCH, valid=whole.source, **more)
    after = After(asked)
    checkpoints = Checkpointing(after.save, interrupted=after.interrupted)
    with pytest.raises(Interrupted):
        first.train(options, BATCH, valid=first.source, checkpoints=checkpoints, **more)

    resume = Checkpoint.from_bytes(after.body)
    found = second.train(options, BATCH, valid=second.source, resume=resume, **more)

    np.testing.assert_array_equal(second.weights, whole.weights)
    assert plain(found) == plain(expected)
    assert (found.best_epoch, found.reason) == (expected.best_epoch, expected.reason)
    assert found.best is not None
    assert expected.best is not None
    for ours, theirs in zip(found.best, expected.best, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)


def test_checkpoints_come_by_time_after_a_mini_batch() -> None:
    saved: list[Checkpoint] = []
    checkpoints = Checkpointing(saved.append, seconds=0.0)
    Case().train(optimizer(max_epochs=2), BATCH, checkpoints=checkpoints, clock=lambda: 0.0)
    places = [(each.state["epoch"], each.state["batch"]) for each in saved]
    assert places == [(e, b) for e in range(2) for b in range(1, 6)]


def test_checkpoints_that_take_long_come_seldom() -> None:
    now = 0.0
    batches: list[int] = []

    def save(checkpoint: Checkpoint) -> None:
        nonlocal now
        now += 2.0
        batches.append(checkpoint.state["updates"])

    def tick() -> bool:
        nonlocal now
        now += 10.0  # a mini-batch
        return False

    checkpoints = Checkpointing(save, seconds=15.0, interrupted=tick)
    Case().train(optimizer(max_epochs=2), BATCH, checkpoints=checkpoints, clock=lambda: now)
    # the first after 20 s; each takes 2 s, so 40 s lie before the next, four mini-batches
    assert batches == [2, 6, 10]


def test_checkpoints_come_after_so_many_epochs() -> None:
    saved: list[Checkpoint] = []
    checkpoints = Checkpointing(saved.append, seconds=1e9, epochs=2)
    Case().train(optimizer(max_epochs=6), BATCH, checkpoints=checkpoints)
    # none at the end: there is nothing left to go on with
    places = [(each.state["epoch"], each.state["batch"]) for each in saved]
    assert places == [(2, 0), (4, 0)]


def test_a_checkpoint_is_read_by_its_published_layout() -> None:
    arrays: dict[str, Array] = {
        "a": np.array([[1.5, -2.0]], np.float32),
        "b": np.array([7], np.int64),
    }
    body = Checkpoint({"epoch": 3}, arrays).to_bytes()

    length = int.from_bytes(body[:8], "little")
    assert np.frombuffer(body[8 + length :][:8], "<f4").tolist() == [1.5, -2.0]
    again = Checkpoint.from_bytes(body)
    assert again.state == {"epoch": 3}
    assert again.arrays["a"].tolist() == [[1.5, -2.0]]
    assert again.arrays["b"].tolist() == [7]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x" * 40,
        Checkpoint({}, {"a": np.zeros(4, np.float32)}).to_bytes()[:-1],
        Checkpoint({}, {"a": np.zeros(4, np.float32)}).to_bytes().replace(b"F32", b"Q32"),
        Checkpoint({}, {"a": np.zeros(4, np.float32)}).to_bytes().replace(b"[4]", b"[9]"),
    ],
)
def test_bytes_that_are_no_checkpoint_are_refused(body: bytes) -> None:
    with pytest.raises(
        TrainingError, match=r"^the checkpoint cannot be read, expected a header and arrays$"
    ):
        Checkpoint.from_bytes(body)


def test_snapshots_come_every_so_many_epochs() -> None:
    case = one_weight()
    taken: list[tuple[int, float]] = []
    case.train(
        optimizer(rate=1.0, max_epochs=5, snapshot_freq=2),
        source=Scripted([[1.0], [2.0], [3.0], [4.0], [5.0]]),
        on_snapshot=lambda epochs, _: taken.append((epochs, float(case.weights[0]))),
    )
    # every epoch sets the weight to its target
    assert taken == [(2, 2.0), (4, 4.0)]


W4 = [5.0, 4.0, 3.0, 3.5, 3.2, 3.0, 3.1, 1.0]
"""Validation losses epoch by epoch: the best is the third one's, until one too late."""


def test_early_stopping_ends_w4_at_the_expected_epoch_with_the_best_weights() -> None:
    # the weight is the target w; the validation target 0 makes the loss w^2 / 2
    case = one_weight()
    targets = [[float(np.sqrt(2 * loss))] for loss in W4]
    options = optimizer(
        rate=1.0, max_epochs=8, early_stopping=4, stop_metric="VALIDLOSS", reg_l1=0.0
    )
    result = case.train(options, source=Scripted(targets), valid=Scripted([[0.0]]))
    # three epochs without a new best after epoch 2 are borne, the fourth ends the run: epoch 6
    assert len(result.history) == 7
    assert result.best_epoch == 2
    assert case.weights[0] == pytest.approx(np.sqrt(6.0))
    assert result.reason == "earlyStopping: 4 epochs in a row without a new best VALIDLOSS"


def test_early_stopping_may_leave_the_last_weights() -> None:
    case = one_weight()
    options = optimizer(rate=1.0, max_epochs=4, early_stopping=2, restore_best=False)
    case.train(options, source=Scripted([[1.0], [1.0], [5.0], [9.0]]))
    assert case.weights[0] == pytest.approx(9.0)


def test_a_metric_of_validation_needs_a_validation_table() -> None:
    with pytest.raises(
        TrainingError,
        match=r"^optimizer option stopMetric got VALIDERROR without a validation table, expected "
        r"one, or LOSS or FITERROR$",
    ):
        Case(graph=network()).train(optimizer(stop_metric="VALIDERROR"))
