"""When a step is recorded, what it is given, and what stays outside; a stand-in records."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from engine.layers.base import BuildOptions
from engine.train.checkpoint import Checkpoint, Checkpointing, Interrupted
from engine.train.config import Optimizer
from engine.train.loop import TrainResult
from engine.train.steps import REHEARSALS
from tests.engine.train.cases import LABELS, Case, optimizer
from tests.engine.train.test_resume import normalized

T = TypeVar("T")
BATCH = 12
"""Of 40 rows: three mini-batches that are alike, and one of four rows."""
RATE = 0.125
"""The same in float32, in which the device holds it, as in Python."""


@dataclass
class StandIn:
    """Records as a graphics processor does: what is recorded is done only when it is replayed.

    Attributes:
        waits: whether the host waits for the device in a rehearsal.
        fault: raised when it records.
    """

    waits: bool = False
    fault: Exception | None = None
    told: list[str] = field(default_factory=list)

    def given(self, noise: torch.Generator) -> "StandIn":
        """Return itself, for whatever source of randomness."""
        del noise
        return self

    def rehearse(self, work: Callable[[], T]) -> tuple[T, bool]:
        self.told.append("rehearsed")
        return work(), not self.waits

    def record(self, work: Callable[[], T]) -> Callable[[], T]:
        self.told.append("recorded")
        if self.fault is not None:
            raise self.fault

        def replay() -> T:
            self.told.append("replayed")
            return work()

        return replay


def trained(options: Optimizer, recorder: StandIn | None, **more: Any) -> tuple[Case, TrainResult]:
    case = Case(LABELS, normalized(), BuildOptions())
    recorded = None if recorder is None else recorder.given
    result = case.train(options, BATCH, recorder=recorded, record_seed=3, **more)
    return case, result


def test_a_step_is_recorded_after_rehearsals_and_the_last_batch_is_launched() -> None:
    recorder = StandIn()

    trained(optimizer(max_epochs=3), recorder)

    # by hand: of the nine alike mini-batches three are rehearsed, the rest replayed
    assert recorder.told == ["rehearsed"] * REHEARSALS + ["recorded"] + ["replayed"] * 6


RECORDABLE = [
    optimizer("VANILLA", rate=RATE, reg_l1=1e-3),
    optimizer(
        "MOMENTUM",
        rate=RATE,
        algorithm={
            "learning_rate_policy": "STEP", "step_size": 1, "gamma": 0.5, "clip_grad_max": 0.01,
        },
    ),
    optimizer("NESTEROV", rate=RATE, reg_l2=1e-3),
]  # fmt: skip


@pytest.mark.parametrize("options", RECORDABLE, ids=lambda o: o.algorithm.method)
def test_replayed_steps_end_with_the_bits_of_launched_ones(options: Optimizer) -> None:
    options = options.model_copy(update={"max_epochs": 4})

    launched, expected = trained(options, None)
    replayed, found = trained(options, StandIn())

    np.testing.assert_array_equal(replayed.weights, launched.weights)
    assert [each.loss for each in found.history] == [each.loss for each in expected.history]
    assert [each.learning_rate for each in found.history] == [
        each.learning_rate for each in expected.history
    ]


@pytest.mark.parametrize("method", ["ADAM", "ADAMW"])
def test_solvers_that_count_their_steps_count_them_on_the_device(method: str) -> None:
    options = optimizer(method, rate=RATE / 8, max_epochs=4)

    launched, _ = trained(options, None)
    replayed, _ = trained(options, StandIn())

    # the fused solver takes a rate that is a tensor by another way
    np.testing.assert_allclose(replayed.weights, launched.weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "without"),
    [
        (optimizer("ADAGRAD"), frozenset()),
        (optimizer("NATGRAD"), frozenset()),
        (optimizer("LBFG", mini_batch_size=BATCH), frozenset()),
        (optimizer("MOMENTUM"), frozenset({"fused-updates"})),
    ],
    ids=["ADAGRAD", "NATGRAD", "LBFG", "not fused"],
)
def test_solvers_that_keep_numbers_on_the_host_are_launched(
    options: Optimizer, without: frozenset[Any]
) -> None:
    recorder = StandIn()

    trained(options, recorder, without=without)

    assert recorder.told == []


def test_a_step_in_which_the_host_waits_is_launched() -> None:
    recorder = StandIn(waits=True)

    launched, _ = trained(optimizer(rate=RATE, max_epochs=3), None)
    found, _ = trained(optimizer(rate=RATE, max_epochs=3), recorder)

    assert recorder.told == ["rehearsed"] * REHEARSALS
    np.testing.assert_array_equal(found.weights, launched.weights)


def test_a_step_that_cannot_be_recorded_is_launched(caplog: pytest.LogCaptureFixture) -> None:
    recorder = StandIn(fault=RuntimeError("operation not permitted\nwhen capturing"))

    launched, _ = trained(optimizer(rate=RATE, max_epochs=3), None)
    found, _ = trained(optimizer(rate=RATE, max_epochs=3), recorder)

    assert recorder.told == ["rehearsed"] * REHEARSALS + ["recorded"]
    assert caplog.messages == ["steps are launched, not replayed: operation not permitted"]
    np.testing.assert_array_equal(found.weights, launched.weights)


def test_a_table_of_less_than_a_batch_is_replayed_whole() -> None:
    recorder = StandIn()
    case = Case(LABELS, normalized(), BuildOptions())

    case.train(optimizer(max_epochs=5), 64, recorder=recorder.given)

    assert recorder.told == ["rehearsed"] * REHEARSALS + ["recorded", "replayed", "replayed"]


def test_mini_batches_of_another_form_are_launched() -> None:
    recorder = StandIn()
    case = Case(LABELS, normalized(), BuildOptions())
    whole = next(case.source.epoch(40))
    narrow = whole.inputs["data"]

    class Source:
        rows = 40

        def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Any:
            del batch_rows, generator
            for values in (narrow, narrow.double().float(), narrow.double()):
                yield type(whole)({"data": values}, whole.targets, 40)

    case.train(optimizer(max_epochs=2), 40, source=Source(), recorder=recorder.given)

    assert recorder.told == ["rehearsed"] * REHEARSALS + ["recorded", "replayed"]


def test_a_replayed_run_goes_on_from_a_checkpoint() -> None:
    options = optimizer(
        "MOMENTUM",
        rate=RATE,
        max_epochs=5,
        algorithm={"learning_rate_policy": "STEP", "step_size": 1, "gamma": 0.5},
    )
    whole, _ = trained(options, StandIn())
    bodies: list[bytes] = []
    asked = count()
    checkpoints = Checkpointing(
        lambda found: bodies.append(found.to_bytes()),
        interrupted=lambda: next(asked) == 10,  # in the third epoch
    )
    with pytest.raises(Interrupted):
        trained(options, StandIn(), checkpoints=checkpoints)
    resumed, _ = trained(options, StandIn(), resume=Checkpoint.from_bytes(bodies[-1]))

    np.testing.assert_array_equal(resumed.weights, whole.weights)
