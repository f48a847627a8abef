"""Jobs on a Ray cluster of this machine: training by several workers, and their deaths."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from actions import run_action
from actions.context import Context
from actions.ports import FINAL_STATES, Job, Name, Output
from server.store import SqlStores
from server.wiring import Resources, context_for, open_resources
from tests.actions.house import SMALL_DNN, build
from tests.server.running import settings_in

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PATIENCE_S = 180.0
ROWS = 203
"""No multiple of the mini-batch, nor that one of the workers."""
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
NORMALIZED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("data", {"type": "input"}, []),
    ("bn", {"type": "batchnorm", "act": "IDENTITY"}, ["data"]),
    ("out", {"type": "output"}, ["bn"]),
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

    def run(self, action: str, **params: Any) -> Job:
        job = self.until(self.submit(action, **params), *FINAL_STATES)
        assert job.state == "done", job.error
        return job

    def train(self, weights: str, **changes: Any) -> Job:
        return self.run("deepLearn.dlTrain", **{**TRAIN, "modelWeights": weights, **changes})

    def weights(self, name: str) -> Any:
        info, _ = self.ctx.weights.load(Name(name))
        return np.concatenate([chunk.values for chunk in self.ctx.weights.chunks(info)])


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("ray")
    settings = settings_in(folder, runner="ray", workers=1, ray_cpus=3, checkpoint_s=0.05, poll_s=0.1)
    with open_resources(settings) as resources:
        assert resources.runner.wait_ready(PATIENCE_S)
        rig = Rig(resources)
        x, y = np.random.default_rng(1).normal(size=(2, ROWS)) + 3.0
        columns = {"x": x, "y": y, "label": np.where(x * y > 9, "in", "out").tolist()}
        batch = pa.RecordBatch.from_pydict(columns)
        with rig.ctx.tables.stage(batch.schema) as staged:
            staged.write(batch)
            rig.ctx.tables.publish((staged, Output(Name("points"))))
        build(lambda action, /, **raw: run_action(rig.ctx, action, raw), SMALL_DNN)
        yield rig


def curve(job: Job) -> Any:
    """Return the numbers of the history without the wall time."""
    assert job.result is not None
    tables: Any = job.result["tables"]
    return np.array(tables["OptIterHistory"]["rows"], float)


def test_two_workers_train_as_one_does(rig: Rig) -> None:
    alone = rig.train("alone")
    two = rig.train("two", nWorkers=2)
    print("MAX", np.abs(curve(alone) - curve(two)).max(), np.abs(rig.weights("alone")-rig.weights("two")).max())

    np.testing.assert_allclose(curve(two), curve(alone), rtol=0, atol=1e-5)
    np.testing.assert_allclose(rig.weights("two"), rig.weights("alone"), rtol=0, atol=1e-5)
