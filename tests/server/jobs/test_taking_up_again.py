"""Training jobs whose worker is killed or whose server stops, on real processes."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from actions import run_action
from actions.context import Context
from actions.job_ports import FINAL_STATES, Job
from actions.ports import Name, Output
from server.settings import Settings
from server.store import SqlStores
from server.wiring import Resources, context_for, open_resources
from tests.actions.house import SMALL_DNN, build
from tests.server.running import settings_in

pytestmark = pytest.mark.slow

PATIENCE_S = 120.0
ROWS = 512
TRAIN: dict[str, Any] = {
    "table": "points",
    "modelTable": "net",
    "inputs": ["x", "y"],
    "target": "label",
    "recordSeed": 9,
    "seed": 4,
    "optimizer": {
        "algorithm": {"method": "ADAM", "learningRate": 0.01},
        "miniBatchSize": 8,
        "maxEpochs": 40,
        "dropout": 0.2,
        "snapshotFreq": 4,
    },
}


@contextmanager
def server(settings: Settings) -> Iterator[tuple[Resources, Context]]:
    with open_resources(settings) as resources:
        session = resources.stores.sessions.default("ann")
        assert resources.runner.wait_ready(PATIENCE_S)
        yield resources, context_for(resources, session)


def prepare(ctx: Context) -> None:
    """Make the data and the model."""
    x, y = np.random.default_rng(1).normal(size=(2, ROWS))
    columns = {"x": x, "y": y, "label": np.where(x * y > 0, "in", "out").tolist()}
    batch = pa.RecordBatch.from_pydict(columns)
    with ctx.tables.stage(batch.schema) as staged:
        staged.write(batch)
        ctx.tables.publish((staged, Output(Name("points"))))
    build(lambda action, /, **raw: run_action(ctx, action, raw), SMALL_DNN)


def submit(resources: Resources, ctx: Context, weights: str) -> Job:
    params = {**TRAIN, "modelWeights": weights}
    job = resources.stores.jobs.submit("deepLearn.dlTrain", params, ctx.session, resumes=True)
    resources.runner.wake()
    return job


def until(stores: SqlStores, job: Job, *states: str) -> Job:
    deadline = time.monotonic() + PATIENCE_S
    while (found := stores.jobs.find(job.id, job.user)).state not in states:
        assert time.monotonic() < deadline, f"the job is still {found.state}"
        time.sleep(0.01)
    return found


def until_epoch(stores: SqlStores, job: Job, epoch: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(stores.jobs.events(job.id, kind="epoch")) <= epoch:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def numbers(ctx: Context, name: str) -> bytes:
    """Return a weight table, bit by bit."""
    info, _ = ctx.weights.load(Name(name))
    return b"".join(chunk.values.tobytes() for chunk in ctx.weights.chunks(info))


def losses(job: Job) -> list[object]:
    """Return the history of a job that is done."""
    assert job.result is not None, job.error
    tables: Any = job.result["tables"]
    return [row[2] for row in tables["OptIterHistory"]["rows"]]


def test_the_job_of_a_killed_worker_ends_in_another_with_the_same_bits(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, workers=1, checkpoint_s=0.05, poll_s=0.1)
    with server(settings) as (resources, ctx):
        prepare(ctx)
        stores = resources.stores
        whole = until(stores, submit(resources, ctx, "whole"), *FINAL_STATES)
        job = submit(resources, ctx, "resumed")
        until_epoch(stores, job, 5)
        (pid,) = resources.runner.pids

        os.kill(pid, signal.SIGKILL)
        ended = until(stores, job, *FINAL_STATES)

        assert (ended.state, ended.attempt, ended.lost) == ("done", 2, 1)
        assert losses(ended) == losses(whole)
        assert numbers(ctx, "resumed") == numbers(ctx, "whole") == numbers(ctx, "resumed_40")
        assert numbers(ctx, "resumed_4") == numbers(ctx, "whole_4")
        kinds = [e.data["state"] for e in stores.jobs.events(job.id, kind="state")]
        assert kinds == ["queued", "running", "queued", "running", "done"]
        told = [str(e.data["text"]) for e in stores.jobs.events(job.id, kind="note")]
        assert any(text.startswith("Attempt 2 goes on at epoch ") for text in told)


def test_a_job_outlives_its_server_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    # only the stop itself leaves a checkpoint
    settings = settings_in(tmp_path, workers=1, checkpoint_s=3600.0, stop_grace_s=30.0)
    with server(settings) as (resources, ctx):
        prepare(ctx)
        whole = until(resources.stores, submit(resources, ctx, "whole"), *FINAL_STATES)
        job = submit(resources, ctx, "resumed")
        until_epoch(resources.stores, job, 3)

    stores = SqlStores.open(settings.database, data=tmp_path / "data")
    between = stores.jobs.find(job.id, job.user)
    stores.close()
    with server(settings) as (resources, ctx):
        ended = until(resources.stores, job, *FINAL_STATES)
        assert numbers(ctx, "resumed") == numbers(ctx, "whole")

    assert (between.state, between.lost) == ("queued", 0)
    assert (ended.state, ended.attempt) == ("done", 2)
    assert losses(ended) == losses(whole)
