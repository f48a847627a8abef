import gc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actions.context import Context
from actions.errors import Conflict, StoreFull, StoreUnavailable
from actions.job_ports import Job, JobState
from actions.memory import MemoryStores
from actions.results import Json
from engine.train.checkpoint import Interrupted
from server.jobs.worker import (
    Bell,
    Outcome,
    Reports,
    Worker,
    WorkerStopped,
    give_back_memory,
    run_job,
    warm,
)

PATIENCE_S = 30.0
JOB = Job("j1", "trial.train", {"epochs": 1}, "s1", "ann", "running", datetime.now(UTC))
EVENT = ("epoch", {"epoch": 1})


@dataclass
class OneJob:
    """A job store with one queued job, that fails as it is told to."""

    queued: list[Job] = field(default_factory=lambda: [JOB])
    failures: list[Exception] = field(default_factory=list)
    cancel_requested: bool = False
    taken: bool = False
    beats: int = 0
    told: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)
    ended: list[tuple[JobState, Mapping[str, Json] | None, Mapping[str, Json] | None]] = field(
        default_factory=list
    )
    changed: threading.Event = field(default_factory=threading.Event)

    def _fail(self) -> None:
        self.changed.set()
        if self.failures:
            raise self.failures.pop(0)

    def claim(self, owner: str, *, gpu: bool = True) -> Job | None:
        del owner, gpu
        self._fail()
        return self.queued.pop() if self.queued else None

    def beat(self, job_id: str, owner: str) -> bool:
        del job_id, owner
        self.beats += 1
        self._fail()
        return self.cancel_requested

    def append(self, job_id: str, events: Sequence[tuple[str, Mapping[str, Json]]]) -> None:
        del job_id
        self._fail()
        self.told.extend(events)

    def finish(
        self,
        job_id: str,
        owner: str,
        state: JobState,
        *,
        result: Mapping[str, Json] | None = None,
        error: Mapping[str, Json] | None = None,
    ) -> None:
        del job_id, owner
        self._fail()
        self.ended.append((state, result, error))

    def hand_back(self, job_id: str, owner: str) -> Job:
        del job_id, owner
        self._fail()
        self.ended.append(("queued", None, None))
        return JOB

    def recover_owner(self, owner: str, reason: str) -> list[Job]:
        del owner
        self.ended.append(("queued", None, {"reason": reason}))
        return [JOB]

    def running(self) -> list[Job]:
        return [replace(JOB, owner="w1")] if self.taken else []


def reports(jobs: OneJob, bell: Bell | None = None, *, heartbeat_s: float = 0.01) -> Reports:
    return Reports(jobs, JOB, "w1", heartbeat_s, bell or Bell())


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_events_are_written_by_the_end_of_the_job_and_told_of() -> None:
    jobs, lines = OneJob(), list[str]()

    with reports(jobs, Bell(tell=lines.append)) as open_reports:
        open_reports.add(*EVENT)

    assert jobs.told == [EVENT]
    assert lines == ["events j1"]


def test_events_wait_in_order_while_the_database_is_away() -> None:
    jobs = OneJob()

    with reports(jobs, heartbeat_s=600.0) as open_reports:
        until(lambda: jobs.beats)
        jobs.failures.append(StoreUnavailable("the database is away"))
        open_reports.add("epoch", {"epoch": 1})
        until(lambda: not jobs.failures)
        open_reports.add("epoch", {"epoch": 2})

    assert jobs.told == [("epoch", {"epoch": 1}), ("epoch", {"epoch": 2})]


def test_an_event_after_a_silence_is_written_at_once() -> None:
    jobs = OneJob()

    with reports(jobs, heartbeat_s=600.0) as open_reports:
        until(lambda: jobs.beats == 1)
        open_reports.add(*EVENT)
        # by itself the heart would beat again in ten minutes
        until(lambda: jobs.beats == 2)
        until(lambda: jobs.told == [EVENT])


def test_a_cancel_request_is_seen_at_a_heartbeat() -> None:
    jobs = OneJob(cancel_requested=True)

    with reports(jobs) as open_reports:
        until(open_reports.cancelled)

    assert open_reports.is_cancelled


def test_a_bell_makes_the_heart_beat_at_once() -> None:
    jobs, bell = OneJob(), Bell()

    with reports(jobs, bell, heartbeat_s=600.0) as open_reports:
        until(lambda: jobs.beats == 1)
        jobs.cancel_requested = True
        bell.ring()
        until(open_reports.cancelled)

    assert jobs.beats == 2


def test_a_job_that_was_taken_away_stops() -> None:
    jobs = OneJob(failures=[Conflict("the job is no longer of this owner")])

    with reports(jobs) as open_reports:
        until(open_reports.cancelled)

    assert open_reports.is_lost


def test_a_heartbeat_that_does_not_get_through_is_tried_again() -> None:
    jobs = OneJob(failures=[StoreUnavailable("the database is away")])

    with reports(jobs) as open_reports:
        until(lambda: jobs.beats > 1)

    assert not open_reports.cancelled()


def raising(error: BaseException) -> Context:
    raise error


def test_a_stopped_worker_fails_its_job() -> None:
    outcome = run_job(JOB, lambda: raising(WorkerStopped()))

    assert outcome.state == "failed"
    assert outcome.error == {
        "code": "job.failed",
        "message": "the worker was stopped while the job ran",
        "details": {"job": "j1"},
    }


def test_the_memory_of_a_job_is_told(
    trials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del trials
    monkeypatch.setattr("engine.devices.held_bytes", lambda: 90 << 20)
    ctx = MemoryStores(tmp_path).context(memory_bytes=100 << 20)

    outcome = run_job(replace(JOB, action="trial.exhaust", params={}), lambda: ctx)

    assert outcome.error == {
        "code": "device.memory",
        "message": "the work does not fit into the 100 MB of a job, of which 90 MB are held; use "
        "a smaller mini-batch or buffer first, then a smaller model",
        "details": {"limit_bytes": 100 << 20, "held_bytes": 90 << 20},
    }


def working(jobs: OneJob, bell: Bell) -> Worker:
    def refuse(job: Job, open_reports: Reports) -> Context:
        del open_reports
        raise Conflict(f"job {job.id} is refused")

    return Worker(jobs, refuse, "w1", 0.01, 0.001, bell)


def test_the_end_of_a_job_waits_for_the_database() -> None:
    jobs, bell = OneJob(), Bell()
    worker = working(jobs, bell)
    thread = threading.Thread(target=worker.work, daemon=True)

    jobs.failures.append(StoreUnavailable("the database is away"))
    thread.start()
    until(lambda: jobs.ended)
    bell.close()
    thread.join()

    assert jobs.ended == [
        ("failed", None, {"code": "store.conflict", "message": "job j1 is refused", "details": {}})
    ]


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (Conflict("taken"), "the job was ended by somebody else: taken"),
        (StoreUnavailable("away"), "the end of the job is lost"),
    ],
)
def test_an_end_that_cannot_be_recorded_is_logged_by_a_worker_without_a_server(
    failure: Exception,
    logged: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.jobs.worker.ALONE_S", 0.01)

    class Stubborn(OneJob):
        def finish(self, *args: object, **options: object) -> None:
            del args, options
            bell.close()
            raise failure

    bell = Bell()

    working(Stubborn(), bell).work()

    assert logged in caplog.messages


def test_a_claim_whose_answer_was_lost_is_taken_up() -> None:
    jobs, bell = OneJob(queued=[], taken=True), Bell()
    jobs.failures.append(StoreUnavailable("the connection broke"))
    thread = threading.Thread(target=working(jobs, bell).work, daemon=True)

    thread.start()
    until(lambda: jobs.ended)
    jobs.taken = False
    bell.close()
    thread.join()

    assert jobs.ended[0][0] == "failed"


def test_a_worker_that_was_told_to_close_takes_no_job() -> None:
    jobs, bell = OneJob(), Bell()
    bell.close()

    working(jobs, bell).work()

    assert jobs.queued == [JOB]


def test_memory_is_given_back_when_a_worker_falls_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    given = threading.Event()
    monkeypatch.setattr("server.jobs.worker.give_back_memory", given.set)
    bell = Bell()
    thread = threading.Thread(target=working(OneJob(), bell).work)

    thread.start()
    assert given.wait(PATIENCE_S)
    bell.close()
    thread.join()


def test_giving_back_and_warming_up_change_nothing_that_can_be_seen() -> None:
    with warm(1):
        assert gc.get_freeze_count()
        give_back_memory()
    assert not gc.get_freeze_count()


RESUMING = replace(JOB, resumes=True)


def test_an_interrupted_job_is_queued_again() -> None:
    assert run_job(RESUMING, lambda: raising(Interrupted())) == Outcome("queued")


def test_a_job_that_resumes_is_queued_again_when_the_database_is_away() -> None:
    away = StoreUnavailable("the database cannot be reached; try again later")

    assert run_job(RESUMING, lambda: raising(away)) == Outcome("queued")
    assert run_job(JOB, lambda: raising(away)).error == {
        "code": "store.unavailable",
        "message": "the database cannot be reached; try again later",
        "details": {},
    }


def test_a_job_that_finds_no_room_in_the_database_fails() -> None:
    outcome = run_job(RESUMING, lambda: raising(StoreFull("the database or disk is full")))

    assert outcome.error is not None
    assert outcome.error["code"] == "store.full"


def test_a_stopped_worker_hands_back_a_job_that_resumes() -> None:
    assert run_job(RESUMING, lambda: raising(WorkerStopped())) == Outcome("queued")


def test_a_worker_hands_back_what_was_interrupted_and_ends() -> None:
    jobs, bell = OneJob([RESUMING]), Bell()

    def interrupt(job: Job, open_reports: Reports) -> Context:
        del job
        bell.stop()  # as a signal does, while a job runs that resumes
        assert open_reports.bell.is_closing()
        raise Interrupted

    Worker(jobs, interrupt, "w1", 0.01, 0.001, bell).work()

    assert jobs.ended == [("queued", None, None)]


def test_a_signal_stops_a_worker_that_holds_nothing_to_hand_back() -> None:
    with pytest.raises(WorkerStopped):
        Bell().stop()


def test_a_second_signal_stops_a_worker_at_once() -> None:
    bell = Bell(holds_resuming=True)
    bell.stop()
    with pytest.raises(WorkerStopped):
        bell.stop()
