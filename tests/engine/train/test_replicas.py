"""Replicas as threads of one process, each with a model of its own, joined by Gloo on loopback."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import nan
from threading import Barrier
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from engine.data.batches import Batch
from engine.data.importance import FACTOR, WEIGHT
from engine.errors import Cancelled, TrainingError
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.train.checkpoint import Checkpoint, Checkpointing, Interrupted
from engine.train.config import Optimizer
from engine.train.loop import TrainResult
from engine.train.replicas import ALONE, Group, ReplicaLost, Seat, listening, meet
from tests.engine.networks import network
from tests.engine.train.cases import LABELS, ROWS, Case, optimizer
from tests.engine.train.test_resume import normalized

CPU = torch.device("cpu")
LOOPBACK = "127.0.0.1"
BATCH = 16
"""Of 40 rows: the last mini-batch of an epoch has 8."""

T = TypeVar("T")


def together(size: int, work: Callable[[Group], T]) -> list[T]:
    """Return what each of so many replicas returns that do the same."""
    with listening(LOOPBACK) as listener, ThreadPoolExecutor(size) as pool:
        port = listener.getsockname()[1]

        def replica(rank: int) -> T:
            seat = Seat(rank, size, LOOPBACK, port, LOOPBACK)
            return work(meet(seat, CPU, listener if rank == 0 else None))

        return list(pool.map(replica, range(size)))


@dataclass
class Outcome:
    """What one replica of a run has at the end."""

    case: Case
    result: TrainResult
    snapshots: list[int] = field(default_factory=list)


def run(make: Callable[[], Case], options: Optimizer, size: int, **more: Any) -> list[Outcome]:
    """Train a case alone, or with replicas; return how each ended."""
    batch = more.pop("batch", BATCH)

    def work(replicas: Any) -> Outcome:
        case = make()
        told: list[int] = []

        def keep(epochs: int, model: object) -> None:
            del model
            told.append(epochs)

        result = case.train(
            options,
            batch,
            replicas=replicas,
            valid=case.source,
            on_snapshot=keep,
            **more,
        )
        return Outcome(case, result, told)

    return [work(ALONE)] if size == 1 else together(size, work)


def plain() -> Case:
    return Case(LABELS, network(hidden=6), BuildOptions())


def curve(result: TrainResult) -> list[tuple[object, ...]]:
    return [
        (e.loss, e.fit_error, e.valid_loss, e.valid_error, e.l1_norm, e.l2_norm)
        for e in result.history
    ]


SOLVERS = [
    optimizer("VANILLA", reg_l1=1e-3, reg_l2=1e-3),
    optimizer("MOMENTUM", algorithm={"clip_grad_max": 0.05, "clip_grad_min": -0.05}),
    optimizer("ADAM", rate=0.02),
    optimizer("NATGRAD", rate=0.01),
    optimizer("LBFG", mini_batch_size=BATCH, algorithm={"m": 3}),
    optimizer("LBFG"),
]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("options", SOLVERS, ids=lambda o: o.algorithm.method)
def test_replicas_follow_the_loss_curve_of_one_process(options: Optimizer, size: int) -> None:
    options = options.model_copy(update={"max_epochs": 5})

    (alone,) = run(plain, options, 1, record_seed=3)
    replicas = run(plain, options, size, record_seed=3)

    for each in replicas:
        np.testing.assert_allclose(
            np.array(curve(each.result), float), np.array(curve(alone.result), float), atol=1e-5
        )
        assert each.result.reason == alone.result.reason
        # the line search of LBFG multiplies what rounding leaves
        np.testing.assert_allclose(each.case.weights, alone.case.weights, atol=1e-4)


def test_all_replicas_end_with_the_same_bits() -> None:
    options = optimizer("ADAM", max_epochs=4, rate=0.02)

    first, second = run(lambda: Case(LABELS, normalized()), options, 2, record_seed=3)

    np.testing.assert_array_equal(first.case.weights, second.case.weights)
    assert curve(first.result) == curve(second.result)


def test_mini_batches_smaller_than_the_replicas_leave_some_without_a_row() -> None:
    options = optimizer("ADAM", rate=0.02, max_epochs=2)

    # 40 rows in mini-batches of 3 leave one row for the last
    (alone,) = run(plain, options, 1, batch=3)
    replicas = run(plain, options, 2, batch=3)

    for each in replicas:
        np.testing.assert_allclose(each.case.weights, alone.case.weights, atol=1e-5)


def test_the_first_replica_alone_tells_and_keeps() -> None:
    first, second = run(plain, optimizer(max_epochs=2, snapshot_freq=1), 2)

    assert [type(each).__name__ for each in first.case.events].count("EpochEvent") == 2
    assert first.snapshots == [1, 2]
    assert not second.case.events
    assert not second.snapshots


def test_weights_of_observations_are_scaled_over_the_whole_mini_batch() -> None:
    inputs = {"data": torch.arange(4.0).reshape(4, 1)}
    batch = Batch(inputs, {"out": torch.zeros(4), WEIGHT: torch.tensor([1.0, 1.0, 1.0, 5.0])}, 4)

    shares = together(2, lambda group: group.share(batch))

    # the weights add up to 8, so that a mean of 1 is w / 2
    assert [share.targets[FACTOR].tolist() for share in shares] == [[0.5, 0.5], [0.5, 2.5]]
    assert [share.inputs["data"].flatten().tolist() for share in shares] == [[0, 1], [2, 3]]


def test_weighted_rows_train_as_in_one_process() -> None:
    def weighted() -> Case:
        weights = np.where(LABELS["y"] == "up", 3.0, 0.5)
        return Case({**LABELS, "w": weights}, network(hidden=4), request={"weight": "w"})

    options = optimizer(max_epochs=3)
    (alone,) = run(weighted, options, 1)
    replicas = run(weighted, options, 2)

    np.testing.assert_allclose(replicas[0].case.weights, alone.case.weights, atol=1e-5)


def bare_normalization() -> Graph:
    """Return a network whose normalised values no weight changes."""
    return (
        Graph("net")
        .add("data", Input(std="NONE"))
        .add("bn", BatchNormalization(act="IDENTITY"), ["data"])
        .add("out", Output(), ["bn"])
    )


def test_statistics_are_those_of_all_rows_whichever_replica_saw_them() -> None:
    replicas = run(lambda: Case(LABELS, bare_normalization()), optimizer(max_epochs=2), 3)

    inputs = np.stack([LABELS[name] for name in "abc"])
    expected = np.stack([inputs.mean(axis=1), inputs.std(axis=1)], axis=1)
    for each in replicas:
        (layer,) = each.case.model.moments.layers
        np.testing.assert_allclose(layer.statistics.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_replica_normalises_by_its_own_share() -> None:
    def make() -> Case:
        return Case(LABELS, bare_normalization())

    options = optimizer(max_epochs=1)
    first, _ = run(make, options, 2, batch=ROWS)
    (alone,) = run(make, options, 1, batch=ROWS)

    model, source = make().model, make().source
    (batch,) = source.epoch(ROWS)
    model.train()
    expected = 0.0
    for rows in (slice(0, ROWS // 2), slice(ROWS // 2, ROWS)):
        outputs = model({name: values[rows] for name, values in batch.inputs.items()})
        losses = model.tasks["out"].loss(outputs["out"], batch.targets["out"][rows])
        expected += losses.sum().item() / ROWS
    assert first.result.history[0].loss == pytest.approx(expected, rel=1e-6)
    assert alone.result.history[0].loss != pytest.approx(expected, rel=1e-4)


def test_frozen_statistics_stay_as_they_are() -> None:
    options = optimizer(max_epochs=1, freeze_batch_norm_stats=True)

    first, _ = run(lambda: Case(LABELS, bare_normalization()), options, 2)

    (layer,) = first.case.model.moments.layers
    assert layer.statistics.tolist() == [[0.0, 1.0]] * 3


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


@pytest.mark.parametrize("options", [optimizer("ADAM", rate=0.02), optimizer("LBFG")])
def test_replicas_taken_up_again_end_with_the_bits_of_those_that_never_stopped(
    options: Optimizer,
) -> None:
    options = options.model_copy(update={"max_epochs": 4})
    after = After(2 if options.is_full_batch else 4)

    def make() -> Case:
        return Case(LABELS, normalized())

    def interrupted(group: Group) -> None:
        checkpoints = Checkpointing(after.save, interrupted=after.interrupted)
        asked = checkpoints if group.rank == 0 else None
        with pytest.raises(Interrupted):
            make().train(options, BATCH, replicas=group, record_seed=3, checkpoints=asked)

    def resumed(group: Group) -> Case:
        case = make()
        resume = Checkpoint.from_bytes(after.body)
        case.train(options, BATCH, replicas=group, record_seed=3, resume=resume)
        return case

    def whole(group: Group) -> Case:
        case = make()
        case.train(options, BATCH, replicas=group, record_seed=3)
        return case

    together(2, interrupted)
    for found, expected in zip(together(2, resumed), together(2, whole), strict=True):
        np.testing.assert_array_equal(found.weights, expected.weights)


def test_checkpoints_come_when_the_first_replica_says_so() -> None:
    saved: list[Checkpoint] = []

    def work(group: Group) -> None:
        asked = Checkpointing(saved.append, seconds=0.0, epochs=1) if group.rank == 0 else None
        options = optimizer(max_epochs=2)
        more: dict[str, Any] = {"checkpoints": asked, "clock": lambda: 0.0}
        plain().train(options, ROWS, replicas=group, **more)

    together(2, work)

    assert [(each.state["epoch"], each.state["batch"]) for each in saved] == [
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_all_replicas_stop_when_the_first_is_told_to() -> None:
    def work(group: Group) -> str:
        case = plain()
        told = [False, False, True]
        with pytest.raises(Cancelled) as stopped:
            case.train(
                optimizer(max_epochs=2),
                BATCH,
                replicas=group,
                cancelled=lambda: group.rank == 0 and told.pop(0),
            )
        return stopped.value.message

    assert together(2, work) == ["training was cancelled at epoch 0, batch 3"] * 2


def test_all_replicas_name_the_layer_where_the_share_of_one_is_not_finite() -> None:
    def work(group: Group) -> str:
        case = plain()
        (batch,) = case.source.epoch(ROWS)
        spoilt = batch.inputs["data"].clone()
        spoilt[-1, 0] = nan
        source = OneBatch(replace(batch, inputs={"data": spoilt}))
        with pytest.raises(TrainingError) as failed:
            case.train(optimizer(), ROWS, replicas=group, source=source)
        return failed.value.message

    expected = (
        "loss is not finite at epoch 0, batch 1, layer 'data'; usual causes are inputs that are "
        "not scaled, a learning rate that is too large, or exploding gradients"
    )
    assert together(2, work) == [expected] * 2


@dataclass
class OneBatch:
    """A table of one mini-batch."""

    batch: Batch

    @property
    def rows(self) -> int:
        return self.batch.rows

    def epoch(self, batch_rows: int, generator: object = None) -> Any:
        del batch_rows, generator
        return iter([self.batch])


def test_a_gradient_nobody_has_stays_away_and_one_that_some_have_comes_to_all() -> None:
    def work(group: Group) -> list[object]:
        ours, theirs, nobody = (torch.zeros(2, requires_grad=True) for _ in range(3))
        ours.grad = torch.full((2,), float(group.rank + 1))
        if group.rank == 1:
            theirs.grad = torch.tensor([4.0, 5.0])
        group.sum_gradients([ours, theirs, nobody])
        return [
            None if each.grad is None else each.grad.tolist() for each in (ours, theirs, nobody)
        ]

    assert together(2, work) == [[[3.0, 3.0], [4.0, 5.0], None]] * 2


def test_a_replica_that_leaves_is_missed_by_the_others() -> None:
    met = Barrier(2)

    def work(group: Group) -> None:
        met.wait()
        if group.rank == 1:
            group.abort()
            return
        with pytest.raises(ReplicaLost, match=r"^another replica of the training is gone$"):
            group.sum(torch.zeros(1))

    together(2, work)


def test_a_replica_that_does_not_come_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.train.replicas.WAIT_S", 0.2)
    with listening(LOOPBACK) as listener:
        seat = Seat(0, 2, LOOPBACK, listener.getsockname()[1], LOOPBACK)
        with pytest.raises(ReplicaLost, match=r"^another replica of the training is gone$"):
            meet(seat, CPU, listener)
