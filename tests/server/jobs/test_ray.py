"""Jobs on a Ray cluster of this machine: training by several workers, and their deaths."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from actions import run_action
from actions.context import Context
from actions.job_ports import FINAL_STATES, Job
from actions.ports import Name
from server.store import SqlStores
from server.wiring import Resources, context_for, open_resources
from tests.actions.house import SMALL_DNN, build, put
from tests.server.running import settings_in

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PATIENCE_S = 180.0
ROWS = 203
"""No multiple of the mini-batch, nor that one of the workers."""
MANY = 5_003
TRAIN: dict[str, Any] = {
    "table": "points",
    "validTable": "points",
    "modelTable": "net",
    "inputs": ["x", "y"],
    "target": "label",
    "recordSeed": 9,
    "seed": 4,
    "optimizer": {
        "algorithm": {"method": "ADAM", "learningRate": 0.01},
        "miniBatchSize": 17,
        "maxEpochs": 6,
    },
}
NORMALIZED: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input"}},
    {"name": "bn", "layer": {"type": "batchnorm", "act": "IDENTITY"}, "srcLayers": "data"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "bn"},
]


class Rig:
    """A server with the Ray runner, and a session with data and models in it."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.stores: SqlStores = resources.stores
        session = resources.stores.sessions.default("ann")
        self.ctx: Context = context_for(resources, session)

    def submit(self, action: str, **params: Any) -> Job:
        jobs, session = self.stores.jobs, self.ctx.session
        job = jobs.submit(action, params, session, resumes=action == "deepLearn.dlTrain")
        self.resources.runner.wake()
        return job

    def until(self, job: Job, *states: str) -> Job:
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.stores.jobs.find(job.id, job.user)).state not in states:
            assert time.monotonic() < deadline, f"the job is still {found.state}"
            time.sleep(0.01)
        return found

    def until_epoch(self, job: Job, epoch: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.stores.jobs.events(job.id, kind="epoch")) <= epoch:
            assert time.monotonic() < deadline, self.stores.jobs.find(job.id, job.user).error
            time.sleep(0.01)

    def run(self, action: str, **params: Any) -> Job:
        job = self.until(self.submit(action, **params), *FINAL_STATES)
        assert job.state == "done", job.error
        return job

    def train(self, weights: str, **changes: Any) -> Job:
        out = {"name": weights, "replace": True}
        return self.run("deepLearn.dlTrain", **{**TRAIN, "modelWeights": out, **changes})

    def table(self, name: str) -> pa.Table:
        info = self.ctx.tables.find(Name(name))
        return pa.Table.from_batches(self.ctx.tables.scan(info))

    def weights(self, name: str) -> Any:
        info, _ = self.ctx.weights.load(Name(name))
        return np.concatenate([chunk.values for chunk in self.ctx.weights.chunks(info)])


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("ray")
    settings = settings_in(
        folder, runner="ray", workers=1, ray_cpus=3, checkpoint_s=0.05, poll_s=0.1
    )
    with open_resources(settings) as resources:
        assert resources.runner.wait_ready(PATIENCE_S)
        rig = Rig(resources)
        x, y = np.random.default_rng(1).normal(size=(2, ROWS)) + 3.0
        columns = {"x": x, "y": y, "label": np.where(x * y > 9, "in", "out").tolist()}
        put(rig.ctx, "points", columns)
        x, y = np.random.default_rng(2).normal(size=(2, MANY)) + 3.0
        labels = np.where(x * y > 9, "in", "out").tolist()
        put(rig.ctx, "many", {"id": np.arange(MANY), "x": x, "y": y, "label": labels})
        build(lambda action, /, **raw: run_action(rig.ctx, action, raw), SMALL_DNN)
        yield rig


def answer(job: Job) -> Any:
    """Return the tables of an answer without the names of those that were stored."""
    assert job.result is not None
    tables: Any = job.result["tables"]
    return {name: table["rows"] for name, table in tables.items() if name != "OutputCasTables"}


def curve(job: Job) -> Any:
    """Return the numbers of the history without the wall time."""
    assert job.result is not None
    tables: Any = job.result["tables"]
    return np.array(tables["OptIterHistory"]["rows"], float)


def test_two_workers_train_as_one_does(rig: Rig) -> None:
    alone = rig.train("alone")
    two = rig.train("two", nWorkers=2)

    np.testing.assert_allclose(curve(two), curve(alone), rtol=0, atol=1e-5)
    np.testing.assert_allclose(rig.weights("two"), rig.weights("alone"), rtol=0, atol=1e-5)


def test_three_workers_share_mini_batches_of_two_rows(rig: Rig) -> None:
    small = {"optimizer": {**TRAIN["optimizer"], "miniBatchSize": 2, "maxEpochs": 1}}

    alone = rig.train("alone", **small)
    three = rig.train("three", **small, nWorkers=3)

    np.testing.assert_allclose(curve(three), curve(alone), rtol=0, atol=1e-5)


def test_statistics_of_batch_normalisation_are_those_of_all_rows(rig: Rig) -> None:
    build(lambda action, /, **raw: run_action(rig.ctx, action, raw), NORMALIZED, "normalized")

    rig.train("two", modelTable="normalized", nWorkers=2)

    points = rig.table("points")
    expected = [
        [np.mean(points[name].to_numpy()), np.std(points[name].to_numpy())] for name in "xy"
    ]
    # the statistics are the tail of the table: mean and standard deviation, neuron by neuron
    np.testing.assert_allclose(rig.weights("two")[-4:].reshape(2, 2), expected, rtol=1e-5)


def long_training(rig: Rig, weights: str) -> Job:
    optimizer = {**TRAIN["optimizer"], "maxEpochs": 60, "dropout": 0.2}
    params = {**TRAIN, "modelWeights": weights, "optimizer": optimizer, "nWorkers": 2}
    return rig.submit("deepLearn.dlTrain", **params)


@pytest.fixture(scope="module")
def whole(rig: Rig) -> Any:
    """The weights of a training by two workers that nobody disturbed."""
    assert rig.until(long_training(rig, "whole"), *FINAL_STATES).state == "done"
    return rig.weights("whole")


def replicas() -> list[int]:
    """Return the processes of replicas on this machine."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if each.read_bytes().startswith(b"ray::RayReplica"):
                found.append(int(each.parent.name))
    return found


@pytest.mark.parametrize("victim", ["worker", "replica"])
def test_a_killed_process_of_a_training_is_survived_with_the_same_bits(
    rig: Rig, whole: Any, victim: str
) -> None:
    job = long_training(rig, victim)
    rig.until_epoch(job, 5)

    (pid,) = rig.resources.runner.pids if victim == "worker" else replicas()
    os.kill(pid, signal.SIGKILL)
    ended = rig.until(job, *FINAL_STATES)

    assert (ended.state, ended.attempt, ended.lost) == ("done", 2, 1), ended.error
    np.testing.assert_array_equal(rig.weights(victim), whole)
    told = [str(e.data["text"]) for e in rig.stores.jobs.events(job.id, kind="note")]
    assert any(text.startswith("Attempt 2 goes on at epoch ") for text in told)


def test_a_training_by_several_workers_stops_when_asked_to(rig: Rig) -> None:
    job = long_training(rig, "stopped")
    rig.until_epoch(job, 2)

    rig.stores.jobs.request_cancel(job.id, job.user)
    rig.resources.runner.wake()
    ended = rig.until(job, *FINAL_STATES)

    assert ended.state == "cancelled"
    deadline = time.monotonic() + PATIENCE_S
    while replicas():  # the cluster ends their processes in its own time
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_error_of_all_workers_is_told_once(rig: Rig) -> None:
    params = {**TRAIN, "modelWeights": "none", "inputs": ["x", "nothing"], "nWorkers": 2}
    job = rig.until(rig.submit("deepLearn.dlTrain", **params), *FINAL_STATES)

    assert job.state == "failed"
    assert job.error is not None
    assert job.error["code"] == "column.not_found"


def test_rows_scored_by_several_workers_are_those_of_one(rig: Rig) -> None:
    rig.train("scorer")
    score = {
        "table": "many",
        "modelTable": "net",
        "initWeights": "scorer",
        "copyVars": ["id"],
        "displayClassScoreInfo": "ALL",
    }
    alone = rig.run("deepLearn.dlScore", **score, casOut="alone_scored", layerOut="alone_layers")
    two = rig.run(
        "deepLearn.dlScore", **score, casOut="two_scored", layerOut="two_layers", nWorkers=2
    )

    for kind in ("scored", "layers"):
        ours, theirs = rig.table(f"two_{kind}"), rig.table(f"alone_{kind}")
        assert ours.equals(theirs)
    assert rig.table("two_scored")["id"].to_pylist() == list(range(MANY))
    assert answer(two) == answer(alone)
