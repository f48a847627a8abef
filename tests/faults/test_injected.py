"""Trainings that are cancelled, interrupted, or find no room, at any of their moments."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.errors import StoreFull, StoreUnavailable
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import Cancelled
from engine.train.checkpoint import Interrupted
from tests.actions.house import SMALL_DNN, build, put

BATCHES, EPOCHS, FREQUENCY = 8, 6, 2
TRAIN: dict[str, Any] = {
    "table": "points",
    "model": "net",
    "inputs": ["x", "y"],
    "target": "z",
    "modelWeights": "weights",
    "seed": 3,
    "recordSeed": 5,
    "optimizer": {
        "algorithm": {"method": "ADAM", "learningRate": 0.01},
        "miniBatchSize": 4,
        "maxEpochs": EPOCHS,
        "snapshotFreq": FREQUENCY,
    },
}


@dataclass
class Place:
    """Where checkpoints go; it may have no room, or be away."""

    failure: Exception | None = None
    body: bytes | None = None
    saves: list[int] = field(default_factory=list)

    def load(self) -> bytes | None:
        return self.body

    def save(self, body: bytes) -> None:
        self.saves.append(len(body))
        if self.failure is not None:
            raise self.failure
        self.body = body


class Countdown:
    """True from the call of that number on."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def __call__(self) -> bool:
        self.calls -= 1
        return self.calls < 0


def house(root: Path, **more: Any) -> Context:
    ctx = MemoryStores(root).context(job_id="j1", **more)
    build(lambda action, /, **raw: run_action(ctx, action, raw), SMALL_DNN)
    x, y = np.random.default_rng(2).normal(size=(2, 4 * BATCHES))
    put(ctx, "points", {"x": x, "y": y, "z": x * y})
    return ctx


def numbers(ctx: Context) -> dict[str, bytes]:
    """Return every weight table, bit by bit."""
    found = {}
    for table in ctx.tables.list():
        if table.kind == "weights":
            info, _ = ctx.weights.load(Name(table.name))
            found[table.name] = b"".join(c.values.tobytes() for c in ctx.weights.chunks(info))
    return found


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The weights of a training nobody disturbed."""
    ctx = house(tmp_path / "whole")
    run_action(ctx, "deepLearn.dlTrain", TRAIN)
    return numbers(ctx)


def test_a_training_cancelled_at_any_moment_leaves_the_snapshots_before_it(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    moments = random.Random(7).sample(range(BATCHES * EPOCHS), 8)  # noqa: S311 - no secret

    for moment in [0, *moments]:
        ctx = house(tmp_path / str(moment), cancelled=Countdown(moment))
        with pytest.raises(Cancelled):
            run_action(ctx, "deepLearn.dlTrain", TRAIN)

        epochs = moment // BATCHES
        names = {f"weights_{n}" for n in range(FREQUENCY, epochs + 1, FREQUENCY)}
        assert numbers(ctx) == {name: whole[name] for name in names}
        for name in names:
            scored = {"table": "points", "model": "net", "initWeights": name}
            run_action(replace(ctx, cancelled=lambda: False), "deepLearn.dlScore", scored)


@pytest.mark.parametrize(
    "failure",
    [
        StoreFull("the database or disk is full"),
        StoreUnavailable("the database cannot be reached; try again later"),
    ],
)
def test_a_checkpoint_that_finds_no_room_costs_nothing_but_itself(
    tmp_path: Path, whole: dict[str, bytes], failure: StoreUnavailable
) -> None:
    place = Place(failure)
    ctx = house(tmp_path / "full", checkpoint=place, checkpoint_s=0.0)

    result = run_action(ctx, "deepLearn.dlTrain", TRAIN)

    assert place.saves
    assert numbers(ctx) == whole
    told = [each.text for each in result.messages if each.level == "warning"]
    assert told == [
        f"A checkpoint was not kept; the one before it stays: {failure.message}."
    ] * len(place.saves)


def test_a_training_interrupted_without_room_goes_on_from_the_checkpoint_before(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    place = Place()
    root = tmp_path / "interrupted"
    ctx = house(root, checkpoint=place, interrupted=Countdown(11))
    with pytest.raises(Interrupted):
        run_action(ctx, "deepLearn.dlTrain", TRAIN)
    place.failure = StoreFull("the database or disk is full")
    again = _next(ctx, 2, interrupted=Countdown(3))
    with pytest.raises(Interrupted):
        run_action(again, "deepLearn.dlTrain", TRAIN)

    last = _next(ctx, 3)
    run_action(last, "deepLearn.dlTrain", TRAIN)

    assert len(place.saves) == 2
    assert numbers(last) == whole
    assert last.messages[0].text == "Attempt 3 goes on at epoch 1, after batch 3."


def _next(ctx: Context, attempt: int, **more: Any) -> Context:
    """Return the context of the next attempt of a job."""
    return replace(ctx, attempt=attempt, messages=[], **{"interrupted": lambda: False, **more})
