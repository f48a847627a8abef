"""What runs in the other process: claim a job, run its action, report."""

import ctypes
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from math import inf
from threading import Event, Lock, Thread
from typing import Literal, Protocol, Self

import torch

from actions.context import Context
from actions.errors import Conflict, JobFailed, StoreFull, StoreUnavailable
from actions.job_ports import Job, JobQueue, JobState
from actions.results import Json, to_json
from actions.run import run_action
from actions.team import Block, Hire, Party
from engine.devices import memory_told
from engine.errors import Cancelled, EngineError
from engine.train.checkpoint import Interrupted
from engine.train.replicas import ReplicaLost
from server.failures import failure
from server.jobs.guard import Limits, end_process, guarded
from server.logs import JOB
from server.settings import Settings

LOG = logging.getLogger(__name__)

FLUSH_S = 0.2
"""Longest time an event waits before it is written, in seconds."""

RETRY_S = 0.5
"""Time between two attempts to record the end of a job, in seconds."""

ALONE_S = 60.0
"""Time a worker without a server tries to record the end of a job, in seconds."""


def _nobody_listens(line: str) -> None:
    del line


class Team(Protocol):
    """Other workers, which the worker of a job may call to its side."""

    def gather(self, size: int) -> AbstractContextManager[Party]:
        """Let so many workers run the job's action; see ``actions.team.Gather``."""

    def deal(self, hire: Hire, blocks: Sequence[Block], size: int) -> Iterator[bytes]:
        """Deal blocks to clerks; see ``actions.team.Deal``."""


MakeTeam = Callable[[Settings, Job, str, Callable[[], bool]], Team]
"""Makes the team of a job that a worker of that name has; the last says whether it is to stop."""


class WorkerStopped(BaseException):
    """The process was asked to end; passes through everything up to the job's record."""


@dataclass
class Bell:
    """How a worker learns that it should look again, or end; and how it tells what it did.

    Attributes:
        rung: there is something to look at: a job, a cancel request, or the end.
        closing: no further job is to be taken.
        beat_now: a cancel request may have come.
        stopping: the process was asked to end, by a signal.
        holds_resuming: a job runs that can be handed back after a checkpoint.
        tell: sends a line to the server that started this worker.
    """

    rung: Event = field(default_factory=Event)
    closing: Event = field(default_factory=Event)
    beat_now: Event = field(default_factory=Event)
    stopping: bool = False
    holds_resuming: bool = False
    tell: Callable[[str], None] = _nobody_listens

    def is_closing(self) -> bool:
        """Return whether no further job is to be taken."""
        return self.stopping or self.closing.is_set()

    def stop(self) -> None:
        """Hear a signal to end, in the main thread; takes no lock, which that may hold.

        Raises:
            WorkerStopped: the running job, if any, cannot be handed back in order.
        """
        if not self.holds_resuming or self.is_closing():
            raise WorkerStopped
        self.stopping = True

    def ring(self) -> None:
        """Make the worker look for a job, and its running job for a cancel request."""
        self.rung.set()
        self.beat_now.set()

    def close(self) -> None:
        """Make the worker end when it has no job."""
        self.closing.set()
        self.ring()


@dataclass
class Reports:
    """The events of a running job, its heartbeat and its cancel flag, kept by one thread.

    Events are written in batches, at most ``FLUSH_S`` late, so that a job with thousands of small
    batches does not wait for the database at each. One that comes after a silence is written at
    once.
    """

    jobs: JobQueue
    job: Job
    owner: str
    heartbeat_s: float
    bell: Bell
    is_cancelled: bool = False
    is_lost: bool = False
    _waiting: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _ended: bool = False
    _written: float = -inf

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._keep, name="castorch-heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended = True
        self.bell.beat_now.set()
        self._thread.join()
        self._flush()

    def add(self, kind: str, data: Mapping[str, Json]) -> None:
        """Take an event; it is written by the other thread."""
        with self._lock:
            self._waiting.append((kind, dict(data)))
            was_silent = time.monotonic() - self._written >= FLUSH_S
        if was_silent:
            self.bell.beat_now.set()

    def cancelled(self) -> bool:
        """Return whether the action should stop: it was asked to, or the job was taken away."""
        return self.is_cancelled or self.is_lost

    def _keep(self) -> None:
        JOB.set(self.job.id)
        last = 0.0
        while not self._ended:
            if self.bell.beat_now.is_set() or time.monotonic() - last >= self.heartbeat_s:
                self.bell.beat_now.clear()
                last = time.monotonic()
                self._beat()
            self._flush()
            self.bell.beat_now.wait(min(FLUSH_S, self.heartbeat_s))

    def _beat(self) -> None:
        try:
            self.is_cancelled |= self.jobs.beat(self.job.id, self.owner)
        except Conflict:
            LOG.warning("the job is no longer this worker's; it stops", extra={"owner": self.owner})
            self.is_lost = True
        except StoreUnavailable as error:
            LOG.warning("no heartbeat: %s", error)

    def _flush(self) -> None:
        with self._lock:
            events, self._waiting = self._waiting, []
            if not events:
                return
            self._written = time.monotonic()
        try:
            self.jobs.append(self.job.id, events)
        except StoreUnavailable as error:
            LOG.warning("%d events wait for the database: %s", len(events), error)
            with self._lock:
                self._waiting[:0] = events
            return
        self.bell.tell(f"events {self.job.id}")


@dataclass(frozen=True)
class Outcome:
    """How a job ended, or that it is to be queued again.

    Attributes:
        state: a final one, or queued, or lost: as if the worker had died.
        reason: why it is lost.
    """

    state: JobState | Literal["lost"]
    result: Mapping[str, Json] | None = None
    error: Mapping[str, Json] | None = None
    reason: str = ""


def run_job(job: Job, open_context: Callable[[], Context]) -> Outcome:
    """Run a job's action and return how it ended; every failure is an outcome."""
    try:
        # Unknown parameters were refused when the job was made, where its dialect refuses them.
        ctx = open_context()
        with memory_told(ctx.memory_bytes):
            result = run_action(ctx, job.action, job.params, unknown="warn")
        return Outcome("done", result=to_json(result))
    except Cancelled as error:
        return Outcome("cancelled", error=failure(error))
    except Interrupted:
        return Outcome("queued")
    except ReplicaLost as error:
        return Outcome("lost", reason=str(error))
    except WorkerStopped:
        if job.resumes:
            return Outcome("queued")
        stopped = JobFailed("the worker was stopped while the job ran", job=job.id)
        return Outcome("failed", error=failure(stopped))
    except StoreUnavailable as error:
        if job.resumes and not isinstance(error, StoreFull):
            LOG.warning("the job goes on from its checkpoint when the database is back: %s", error)
            return Outcome("queued")
        return Outcome("failed", error=failure(error))
    except Exception as error:  # noqa: BLE001 - the one place where a job's failure is recorded
        return Outcome("failed", error=failure(error))


@dataclass
class Worker:
    """Takes jobs from the database, one after the other, until its bell says close."""

    jobs: JobQueue
    context_for: Callable[[Job, Reports], Context]
    owner: str
    heartbeat_s: float
    poll_s: float
    bell: Bell
    takes_gpu_jobs: bool = True
    limits: Limits = field(default_factory=Limits)
    _is_unsure: bool = False

    def work(self) -> None:
        """Run jobs as they come; returns when the bell closes, or the process is stopped."""
        idle_since: float | None = None
        while not self.bell.is_closing():
            self.bell.rung.clear()
            job = self._claim()
            if job is not None:
                self._do(job)
                idle_since = time.monotonic()
                continue
            self.bell.rung.wait(self.poll_s)
            if idle_since is not None and time.monotonic() - idle_since > self.poll_s:
                give_back_memory()
                idle_since = None

    def _claim(self) -> Job | None:
        try:
            # a claim whose answer did not arrive may have been made all the same
            mine = self.jobs.running() if self._is_unsure else []
            claimed = next((job for job in mine if job.owner == self.owner), None)
            claimed = claimed or self.jobs.claim(self.owner, gpu=self.takes_gpu_jobs)
        except StoreUnavailable as error:
            LOG.warning("no look for jobs: %s", error)
            self._is_unsure = True
            return None
        self._is_unsure = False
        return claimed

    def _do(self, job: Job) -> None:
        token = JOB.set(job.id)
        started = time.monotonic()
        self.bell.tell(f"state {job.id}")
        LOG.info("job starts", extra={"action": job.action, "owner": self.owner})
        self.bell.holds_resuming = job.resumes
        with (
            Reports(self.jobs, job, self.owner, self.heartbeat_s, self.bell) as reports,
            guarded(self.limits, reports.cancelled, lambda why: self._give_up(job, why)),
        ):
            outcome = run_job(job, lambda: self.context_for(job, reports))
        self.bell.holds_resuming = False
        self._record(job, outcome)
        self.bell.tell(f"state {job.id}")
        LOG.info(
            "job ends",
            extra={"state": outcome.state, "seconds": round(time.monotonic() - started, 3)},
        )
        JOB.reset(token)
        gc.collect()
        if self.limits.memory_bytes is not None:
            give_back_memory()  # what is kept would count as held by the next job

    def _give_up(self, job: Job, why: EngineError) -> None:
        """End a job that cannot be stopped in order, and this process with it."""
        LOG.error("the job is ended with its worker: %s", why)
        state: JobState = "cancelled" if isinstance(why, Cancelled) else "failed"
        self._record(job, Outcome(state, error=failure(why)))
        self.bell.tell(f"state {job.id}")
        end_process()

    def _record(self, job: Job, outcome: Outcome) -> None:
        """Write down how a job ended, however long the database is away."""
        alone_s = 0.0
        while alone_s < ALONE_S:
            try:
                self._put(job, outcome)
            except Conflict as error:
                LOG.warning("the job was ended by somebody else: %s", error)
            except StoreUnavailable as error:
                LOG.warning("the end of the job waits for the database: %s", error)
                pause_s = min(self.poll_s, RETRY_S)
                time.sleep(pause_s)
                alone_s += pause_s if self.bell.is_closing() else 0.0
                continue
            return
        LOG.error("the end of the job is lost", extra={"state": outcome.state})

    def _put(self, job: Job, outcome: Outcome) -> None:
        if outcome.state == "queued":
            self.jobs.hand_back(job.id, self.owner)
            return
        if outcome.state == "lost":
            LOG.error("job lost", extra={"reason": outcome.reason})
            self.jobs.recover_owner(self.owner, outcome.reason)
            return
        self.jobs.finish(
            job.id, self.owner, outcome.state, result=outcome.result, error=outcome.error
        )


@contextmanager
def warm(threads: int) -> Iterator[None]:
    """Load what every job needs, so that the first one starts as fast as the others.

    Args:
        threads: processor threads of one operation.
    """
    torch.set_num_threads(threads)
    gc.collect()
    gc.freeze()  # what is loaded now stays: later collections need not look at it
    try:
        yield
    finally:
        gc.unfreeze()  # what is left at the end of the process is looked at once more


def give_back_memory() -> None:
    """Return freed memory to the system, on the C libraries that can."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
