"""Workers of one machine: their graphics processors and their limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from actions import run_action
from actions.job_ports import FINAL_STATES, Job, Terms
from actions.ports import Name, Output, Session
from actions.results import Json
from server.jobs.events import JobSignals
from server.jobs.local_runner import LocalRunner
from server.settings import Settings
from server.store import SqlStores
from server.wiring import Resources, context_for, open_resources
from tests.actions.house import build
from tests.server.jobs.test_taking_up_again import until
from tests.server.running import settings_in

PATIENCE_S = 120.0
MEBIBYTE = 1 << 20


@contextmanager
def workers(settings: Settings, gpus: int) -> Iterator[tuple[SqlStores, LocalRunner, Session]]:
    stores = SqlStores.open(settings.database, data=settings.data)
    runner = LocalRunner(settings, stores.jobs, JobSignals(), lambda: gpus)
    runner.start()
    assert runner.wait_ready(PATIENCE_S)
    try:
        yield stores, runner, stores.sessions.default("ann")
    finally:
        runner.close()
        stores.close()


def seen(job: Job) -> object:
    assert job.result is not None, job.error
    values = job.result["values"]
    assert isinstance(values, dict)
    return values["visible"]


@pytest.mark.slow
def test_each_worker_has_one_graphics_processor_and_jobs_for_one_go_there(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, workers=2, poll_s=0.05)
    with workers(settings, gpus=1) as (stores, runner, session):
        jobs = [
            stores.jobs.submit("trial.devices", {"pauseS": 0.5}, session, terms=Terms(gpu=needs))
            for needs in (False, False, True, True, True)
        ]
        runner.wake()
        ended = [until(stores, job, *FINAL_STATES) for job in jobs]

    assert {seen(job) for job in ended[:2]} == {"0", ""}
    assert {seen(job) for job in ended[2:]} == {"0"}


@pytest.mark.slow
def test_more_graphics_processors_than_workers_are_left_to_others(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, workers=1, gpus=("3", "5"))
    with workers(settings, gpus=9) as (stores, runner, session):
        job = stores.jobs.submit("trial.devices", {}, session)
        runner.wake()

        assert seen(until(stores, job, *FINAL_STATES)) == "3"


def submit(resources: Resources, session: Session, action: str, **params: Json) -> Job:
    job = resources.stores.jobs.submit(action, params, session)
    resources.runner.wake()
    return until(resources.stores, job, *FINAL_STATES)


@pytest.mark.slow
def test_a_training_beyond_the_limit_names_a_mini_batch_that_fits(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, workers=1, job_memory_mb=700, poll_s=0.05)
    with open_resources(settings) as resources:
        assert resources.runner.wait_ready(PATIENCE_S)
        session = resources.stores.sessions.default("ann")
        ctx = context_for(resources, session)
        x, y = np.random.default_rng(1).normal(size=(2, 8192))
        batch = pa.RecordBatch.from_pydict({"x": x, "y": y, "label": (x * y > 0).astype(int)})
        with ctx.tables.stage(batch.schema) as staged:
            staged.write(batch)
            ctx.tables.publish((staged, Output(Name("points"))))
        layers = [
            {"name": "data", "layer": {"type": "input"}},
            {"name": "fc1", "layer": {"type": "fc", "n": 16384}, "srcLayers": ["data"]},
            {"name": "out", "layer": {"type": "output", "n": 2}, "srcLayers": ["fc1"]},
        ]
        build(lambda action, /, **raw: run_action(ctx, action, raw), layers)
        train: dict[str, Json] = {
            "table": "points",
            "model": "net",
            "inputs": ["x", "y"],
            "target": "label",
            "nominals": ["label"],
            "modelWeights": "weights",
        }
        big: Json = {"miniBatchSize": 8192, "maxEpochs": 1}
        failed = submit(resources, session, "deepLearn.dlTrain", **train, optimizer=big)
        held = submit(resources, session, "trial.hold", epochs=2000)

        assert failed.error is not None
        details = failed.error["details"]
        assert isinstance(details, dict)
        size = details["mini_batch_size"]
        assert failed.error["code"] == held.error["code"] == "device.memory"  # type: ignore[index]
        assert "the 700 MB of a job: a mini-batch of 8192 rows needs at least 1026 MB" in str(
            failed.error["message"]
        )
        assert str(failed.error["message"]).endswith(f"; miniBatchSize {size} would fit")
        assert isinstance(size, int)
        fits: Json = {"miniBatchSize": size, "maxEpochs": 1}
        done = submit(resources, session, "deepLearn.dlTrain", **train, optimizer=fits)
        assert done.state == "done", done.error
        assert (failed.attempt, done.attempt) == (1, 1)


@pytest.mark.slow
def test_a_job_that_does_not_stop_is_ended_with_its_worker(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, workers=1, cancel_grace_s=0.2, heartbeat_s=0.1, poll_s=0.05)
    with open_resources(settings) as resources:
        assert resources.runner.wait_ready(PATIENCE_S)
        stores, session = resources.stores, resources.stores.sessions.default("ann")
        job = stores.jobs.submit("trial.deaf", {"pauseS": 600}, session)
        resources.runner.wake()
        until(stores, job, "running")

        stores.jobs.request_cancel(job.id, "ann")
        ended = until(stores, job, *FINAL_STATES)
        after = submit(resources, session, "trial.train", epochs=1)

    assert ended.state == "cancelled"
    assert ended.error == {
        "code": "job.cancelled",
        "message": "the job did not stop within 0.2 s and was ended with its worker",
        "details": {},
    }
    assert after.state == "done"
