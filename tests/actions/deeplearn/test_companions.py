from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from actions import run_action
from actions.context import Context
from actions.deeplearn.attempts import Attempts
from actions.deeplearn.companions import together
from actions.errors import Conflict
from actions.ports import Name
from actions.results import ActionResult
from engine.errors import NotSupportedError
from engine.train.replicas import ALONE, Replicas, Seat, listening, meet
from tests.actions.house import SMALL_DNN, Run, build, put

HOST = "127.0.0.1"
REFUSED = (
    r"^parameter 'nWorkers' got 2, which needs a server with the setting runner = ray; expected 1$"
)


def test_one_worker_trains_alone(ctx: Context) -> None:
    with together(ctx, 1) as meet:
        assert meet("cpu") is ALONE


@pytest.mark.parametrize("action", ["deepLearn.dlTrain", "deepLearn.dlScore"])
def test_several_workers_need_a_runner_that_has_them(ctx: Context, run: Run, action: str) -> None:
    put(ctx, "points", {"x": [1.0, 2.0], "y": [0.5, 1.0]})
    build(run, SMALL_DNN)
    table: dict[str, Any] = {"table": "points", "modelTable": "net"}
    train = {**table, "inputs": "x", "target": "y", "modelWeights": {"name": "w", "replace": True}}
    run("deepLearn.dlTrain", **train)
    raw = train if action == "deepLearn.dlTrain" else {**table, "initWeights": "w"}

    with pytest.raises(NotSupportedError, match=REFUSED):
        run(action, **raw, nWorkers=2)


class Table:
    """Where two workers of this process meet; both run the action in a thread."""

    def __init__(self, ctx: Context, action: str, raw: dict[str, Any]) -> None:
        self.contexts = [replace(ctx, gather=partial(self.gather, rank)) for rank in range(2)]
        self.action = action
        self.raw = raw

    @contextmanager
    def gather(self, rank: int, size: int) -> Iterator[Any]:
        yield Guest(self.listener, Seat(rank, size, HOST, self.port, HOST))

    def run(self) -> list[ActionResult]:
        """Return what each worker answers."""
        with listening(HOST) as self.listener, ThreadPoolExecutor(2) as pool:
            self.port = self.listener.getsockname()[1]
            return list(pool.map(lambda ctx: run_action(ctx, self.action, self.raw), self.contexts))


@dataclass
class Guest:
    listener: Any
    seat: Seat

    def meet(self, device: str) -> Replicas:
        return meet(self.seat, torch.device(device), None if self.seat.rank else self.listener)


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker that failed keep the other from its end for a moment only."""
    monkeypatch.setattr("engine.train.replicas.WAIT_S", 10.0)


@pytest.fixture
def train(ctx: Context, run: Run) -> dict[str, Any]:
    """A table and a model, and parameters of dlTrain without a name for the weights."""
    x, y = np.random.default_rng(3).normal(size=(2, 51))
    put(ctx, "points", {"x": x, "y": y, "label": np.where(x > y, "a", "b").tolist()})
    build(run, SMALL_DNN)
    optimizer = {"algorithm": {"method": "ADAM"}, "miniBatchSize": 8, "maxEpochs": 3}
    table = {"table": "points", "validTable": "points", "modelTable": "net"}
    return {**table, "inputs": ["x", "y"], "target": "label", "optimizer": optimizer}


def weights(ctx: Context, name: str) -> Any:
    info, _ = ctx.weights.load(Name(name))
    return np.concatenate([chunk.values for chunk in ctx.weights.chunks(info)])


def test_the_first_of_two_workers_stores_what_both_have_trained(
    ctx: Context, run: Run, train: dict[str, Any]
) -> None:
    run("deepLearn.dlTrain", **train, seed=4, recordSeed=9, modelWeights="one")
    raw = {**train, "seed": 4, "recordSeed": 9, "modelWeights": "two", "nWorkers": 2}

    first, second = Table(ctx, "deepLearn.dlTrain", raw).run()

    np.testing.assert_allclose(weights(ctx, "two"), weights(ctx, "one"), atol=1e-5)
    assert len(first.tables["OptIterHistory"].rows) == 3
    assert not second.tables


def test_seeds_from_the_clock_are_those_of_the_first_worker(
    ctx: Context, train: dict[str, Any]
) -> None:
    raw = {**train, "recordSeed": -1, "modelWeights": "two", "nWorkers": 2}

    first, _ = Table(ctx, "deepLearn.dlTrain", raw).run()

    # with other rows or starting values in the second worker the curves would differ
    seed = first.values["seed"]
    assert isinstance(seed, int)
    assert seed > 0


class Elsewhere(Replicas):
    """Follows a first worker that has opened other tables."""

    def follow(self, decide: Callable[[], int]) -> int:
        return decide() + 1


def test_workers_that_opened_different_tables_do_not_train_together(ctx: Context) -> None:
    with pytest.raises(
        Conflict,
        match=r"^the model or a table was changed while the workers of the training opened it; "
        r"train again$",
    ):
        Attempts(ctx, []).agree(Elsewhere(), {})
