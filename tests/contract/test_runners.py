"""What every runner of jobs keeps to, whichever machine the jobs run on."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions.job_ports import FINAL_STATES, Job
from actions.ports import Session
from actions.results import Json
from server.jobs.events import JobSignals
from server.jobs.local_runner import how_it_ended
from server.jobs.runner import Runner
from server.settings import Settings
from server.store import SqlStores
from server.wiring import runner_for

PATIENCE_S = 180.0
"""Time to start a worker, a cluster included, on a machine that is busy with other work."""
LONG_POLL_S = 600.0
"""A worker that looks at the database this rarely finds jobs by its bell alone."""
KILLED = {
    "local": "worker process ended with signal 9 (SIGKILL)",
    "ray": "Ray worker died: Worker unexpectedly exits with a connection error",
}
"""What a job says whose worker was killed."""


class Rig:
    """A runner, its store, and a session to run jobs in."""

    def __init__(self, kind: str, runner: Runner, stores: SqlStores, session: Session) -> None:
        self.kind = kind
        self.runner = runner
        self.stores = stores
        self.session = session

    def submit(self, action: str, **params: Json) -> Job:
        job = self.stores.jobs.submit(action, params, self.session)
        self.runner.wake()
        return job

    def find(self, job: Job) -> Job:
        return self.stores.jobs.find(job.id, job.user)

    def until(self, job: Job, *states: str) -> Job:
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.find(job)).state not in states:
            assert time.monotonic() < deadline, f"the job is still {found.state}"
            time.sleep(0.01)
        return found

    def run(self, action: str, **params: Json) -> Job:
        return self.until(self.submit(action, **params), *FINAL_STATES)


@pytest.fixture(scope="module", params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("runner")
    settings = Settings(
        database=f"sqlite:///{folder / 'castorch.db'}",
        data=folder,
        workers=1,
        worker_threads=1,
        heartbeat_s=0.2,
        poll_s=LONG_POLL_S,
        stop_grace_s=0.0,
        extensions=("tests.server.trial_actions",),
        runner=request.param,
    )
    stores = SqlStores.open(settings.database, data=folder)
    runner = runner_for(settings, stores.jobs, JobSignals())
    runner.start()
    try:
        assert runner.wait_ready(PATIENCE_S)
        yield Rig(request.param, runner, stores, stores.sessions.default("ann"))
    finally:
        pids = runner.pids
        runner.close()
        stores.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_job_runs_in_another_process_and_keeps_its_result(rig: Rig) -> None:
    job = rig.run("trial.train", epochs=2, text="hello")

    assert job.state == "done"
    assert job.result is not None
    values = job.result["values"]
    assert isinstance(values, dict)
    assert values["text"] == "hello"
    assert values["pid"] == rig.runner.pids[0] != os.getpid()
    assert values["threads"] == 1


def test_a_process_stays_warm_between_jobs(rig: Rig) -> None:
    first, second = rig.run("trial.train", epochs=1), rig.run("trial.train", epochs=1)

    assert first.result is not None
    assert second.result is not None
    assert first.result["values"]["pid"] == second.result["values"]["pid"]  # type: ignore[index,call-overload]


def test_what_a_job_reports_is_kept_in_order_between_its_states(rig: Rig) -> None:
    job = rig.run("trial.train", epochs=2)

    told = [(event.kind, event.data) for event in rig.stores.jobs.events(job.id)]
    assert told == [
        ("state", {"state": "queued"}),
        ("state", {"state": "running"}),
        ("batch", {"epoch": 1, "batch": 1, "loss": 1.0}),
        ("epoch", {"epoch": 1, "epochs": 2, "loss": 1.0}),
        ("batch", {"epoch": 2, "batch": 1, "loss": 0.5}),
        ("epoch", {"epoch": 2, "epochs": 2, "loss": 0.5}),
        ("note", {"text": "trained on nothing", "level": "warning"}),
        ("state", {"state": "done"}),
    ]


def test_a_running_job_stops_soon_after_it_was_asked_to(rig: Rig) -> None:
    job = rig.submit("trial.train", epochs=1000, pause_s=1.0)
    rig.until(job, "running")

    rig.stores.jobs.request_cancel(job.id, job.user)
    rig.runner.wake()
    began = time.monotonic()
    ended = rig.until(job, *FINAL_STATES)

    assert time.monotonic() - began < 2.0
    assert ended.state == "cancelled"
    assert ended.error == {
        "code": "job.cancelled",
        "message": "the training was stopped in epoch 1",
        "details": {"epoch": 1},
    }


def test_a_cancel_request_is_seen_at_a_heartbeat_without_a_bell(rig: Rig) -> None:
    job = rig.submit("trial.train", epochs=1000, pause_s=1.0)
    rig.until(job, "running")

    rig.stores.jobs.request_cancel(job.id, job.user)

    assert rig.until(job, *FINAL_STATES).state == "cancelled"


def test_a_job_that_is_waiting_ends_at_once_when_cancelled(rig: Rig) -> None:
    first = rig.submit("trial.train", epochs=1000, pause_s=1.0)
    waiting = rig.submit("trial.train", epochs=1)

    cancelled = rig.stores.jobs.request_cancel(waiting.id, waiting.user)
    rig.stores.jobs.request_cancel(first.id, first.user)

    assert cancelled.state == "cancelled"
    rig.until(first, "cancelled")


def test_a_declared_failure_is_kept_with_code_message_and_details(rig: Rig) -> None:
    job = rig.run("trial.diverge")

    assert job.state == "failed"
    assert job.error == {
        "code": "train.failed",
        "message": "loss is not finite at epoch 1, batch 2",
        "details": {"epoch": 1, "batch": 2},
    }


def test_an_undeclared_failure_is_kept_as_an_id(rig: Rig) -> None:
    job = rig.run("trial.crash", text="password")

    assert job.error is not None
    assert job.error["code"] == "internal"
    assert "password" not in str(job.error)


def test_the_process_takes_the_next_job_after_a_failure(rig: Rig) -> None:
    rig.run("trial.crash")

    assert rig.run("trial.train", epochs=1).state == "done"


def test_a_job_whose_session_has_ended_is_cancelled_or_fails(rig: Rig) -> None:
    session = rig.stores.sessions.create("ann", "short")
    job = rig.stores.jobs.submit("trial.train", {"epochs": 1}, session)
    rig.stores.sessions.end(session.id, "ann")
    rig.runner.wake()

    assert rig.until(job, *FINAL_STATES).state == "cancelled"


def test_a_killed_process_fails_its_job_at_once_and_another_takes_its_place(rig: Rig) -> None:
    job = rig.submit("trial.train", epochs=1000, pause_s=1.0)
    rig.until(job, "running")
    (pid,) = rig.runner.pids

    os.kill(pid, signal.SIGKILL)
    ended = rig.until(job, *FINAL_STATES)
    after = rig.run("trial.train", epochs=1)

    assert ended.state == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "job.failed"
    assert str(ended.error["message"]).startswith(KILLED[rig.kind])
    assert after.state == "done"
    assert rig.runner.pids != [pid]


def test_a_warm_process_does_not_grow_from_job_to_job(rig: Rig) -> None:
    def resident_kib() -> int:
        (pid,) = rig.runner.pids
        status = Path(f"/proc/{pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)

    for _ in range(10):
        rig.run("trial.train", epochs=50)
    before = resident_kib()
    for _ in range(30):
        rig.run("trial.train", epochs=50)

    assert resident_kib() - before < 2048


def test_events_of_a_process_that_dies_in_the_act_do_not_outlive_its_state(rig: Rig) -> None:
    job = rig.run("trial.die", text="goodbye")

    kinds = [event.kind for event in rig.stores.jobs.events(job.id)]
    assert job.state == "failed"
    assert kinds[-1] == "state"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (3, "worker process ended with code 3"),
        (-9, "worker process ended with signal 9 (SIGKILL), as when memory runs out"),
        (-11, "worker process ended with signal 11 (SIGSEGV)"),
        (-99, "worker process ended with signal 99"),
    ],
)
def test_the_end_of_a_process_is_told_in_words(code: int, reason: str) -> None:
    assert how_it_ended(code) == reason
