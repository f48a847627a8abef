from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.ports import Name
from actions.results import ActionResult
from engine.errors import Cancelled
from engine.train.checkpoint import Interrupted
from tests.actions.house import SMALL_DNN, Run, build, put

BATCHES = 8
"""Mini-batches of an epoch: 64 rows by 8."""

PARAMS: dict[str, Any] = {
    "table": "flowers",
    "modelTable": "net",
    "inputs": ["x", "y"],
    "target": "label",
    "recordSeed": -1,
    "optimizer": {
        "algorithm": {"method": "ADAM", "learningRate": 0.05},
        "miniBatchSize": 8,
        "maxEpochs": 5,
        "dropout": 0.2,
    },
}
"""All seeds come from the clock."""


class Memory:
    """The checkpoint of a job, kept in memory."""

    def __init__(self) -> None:
        self.body: bytes | None = None

    def load(self) -> bytes | None:
        return self.body

    def save(self, body: bytes) -> None:
        self.body = body


class Countdown:
    """Says yes from the n-th question on."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


Attempt = Callable[..., ActionResult]


@pytest.fixture
def attempt(ctx: Context, run: Run) -> Attempt:
    """Run dlTrain as an attempt of a job: ``attempt(2, memory, modelWeights="w")``."""
    draw = np.random.default_rng(7)
    x, y = draw.normal(size=(2, 64))
    put(ctx, "flowers", {"x": x, "y": y, "label": np.where(x > y, "rose", "lily").tolist()})
    build(run, SMALL_DNN)

    def call(number: int, memory: Memory, /, *, after: int = 10**9, **more: Any) -> ActionResult:
        cancelled = Countdown(more.pop("cancel_after", 10**9))
        job = replace(
            ctx,
            checkpoint=memory,
            attempt=number,
            interrupted=Countdown(after),
            cancelled=cancelled,
            messages=[],
        )
        return run_action(job, "deepLearn.dlTrain", {**PARAMS, "modelWeights": "w", **more})

    return call


def weights(ctx: Context, name: str) -> list[float]:
    info, _ = ctx.weights.load(Name(name))
    return [float(v) for chunk in ctx.weights.chunks(info) for v in chunk.values]


def texts(result: ActionResult) -> list[str]:
    return [message.text for message in result.messages]


def test_an_interrupted_training_goes_on_where_it_was(ctx: Context, attempt: Attempt) -> None:
    memory = Memory()
    with pytest.raises(Interrupted):
        attempt(1, memory, after=2 * BATCHES + 3)

    first = attempt(2, memory)
    resumed = weights(ctx, "w")
    ctx.tables.drop(Name("w"))
    again = attempt(2, memory)

    # the seeds drawn by the first attempt are kept: going on twice gives one result
    assert "Attempt 2 goes on at epoch 2, after batch 3." in texts(first)
    assert weights(ctx, "w") == resumed
    assert first.values == again.values
    assert len(first.tables["OptIterHistory"].records()) == 5


def test_a_training_on_other_data_starts_over(ctx: Context, attempt: Attempt) -> None:
    memory = Memory()
    with pytest.raises(Interrupted):
        attempt(1, memory, after=BATCHES)
    put(ctx, "flowers", {"x": [0.0, 1.0], "y": [1.0, 0.0], "label": ["a", "b"]})

    result = attempt(2, memory)

    text = "Attempt 2 starts over: the model or a table was changed."
    assert text in texts(result)
    assert len(result.tables["OptIterHistory"].records()) == 5


def test_an_attempt_without_a_checkpoint_starts_over(attempt: Attempt) -> None:
    result = attempt(2, Memory())
    assert "Attempt 2 starts over: there is no checkpoint." in texts(result)


def test_snapshots_are_tables_named_by_their_epochs(ctx: Context, attempt: Attempt) -> None:
    attempt(1, Memory(), optimizer={**PARAMS["optimizer"], "snapshotFreq": 2})

    names = [info.name for info in ctx.tables.list() if info.kind == "weights"]
    assert names == ["w", "w_2", "w_4"]
    assert len({tuple(weights(ctx, name)) for name in names}) == 3


def test_a_cancelled_training_leaves_its_snapshots(
    ctx: Context, attempt: Attempt, run: Run
) -> None:
    with pytest.raises(Cancelled):
        attempt(
            1,
            Memory(),
            cancel_after=3 * BATCHES,
            optimizer={**PARAMS["optimizer"], "snapshotFreq": 2},
        )

    assert [info.name for info in ctx.tables.list() if info.kind == "weights"] == ["w_2"]
    score = run("deepLearn.dlScore", table="flowers", modelTable="net", initWeights="w_2")
    assert "ScoreInfo" in score.tables
