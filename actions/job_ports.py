"""What actions and workers ask of the store about jobs; ``server.store`` implements it over SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from actions.ports import Session
from actions.results import Json

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class Job:
    """An action that runs in another process, as it was when it was read.

    Attributes:
        attempt: how often a worker has taken it.
        resumes: whether its action can go on from a checkpoint.
        lost: how many workers have died at it.
        priority: jobs of a higher one are taken first.
        gpu: whether it needs a worker with a graphics processor.
    """

    id: str
    action: str
    params: Mapping[str, Json]
    session_id: str
    user: str
    state: JobState
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    owner: str | None = None
    heartbeat: datetime | None = None
    cancel_requested: bool = False
    attempt: int = 0
    resumes: bool = False
    lost: int = 0
    priority: int = 0
    gpu: bool = False
    result: Mapping[str, Json] | None = None
    error: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class CallKey:
    """A caller's own name for a call, by which the same call is known when it is sent again.

    Attributes:
        text: what the caller sent.
        digest: of all that the call asks for.
    """

    text: str
    digest: str


@dataclass(frozen=True)
class Terms:
    """How a job is to be queued.

    Attributes:
        priority: None: that of the session.
        gpu: it needs a worker with a graphics processor.
        key: the job of an earlier call with this key is returned in place of a new one.
    """

    priority: int | None = None
    gpu: bool = False
    key: CallKey | None = None


PLAIN = Terms()


@dataclass(frozen=True)
class JobEvent:
    """Something a job reported: ``epoch``, ``batch``, ``note``, ``progress`` or ``state``."""

    seq: int
    kind: str
    time: datetime
    data: Mapping[str, Json]


Jobs = list[Job]
JobEvents = list[JobEvent]


class JobCheckpoint(Protocol):
    """The last checkpoint of one running job; it is gone when the job has ended."""

    def load(self) -> bytes | None:
        """Return the last whole checkpoint, or None."""

    def save(self, body: bytes) -> None:
        """Put a checkpoint in the place of the last one.

        Raises:
            Conflict: the job is no longer this worker's.
            StoreFull: the disk is full; the last one stays.
        """


class JobQueue(Protocol):
    """What a worker needs of the jobs: take one, tell of it, end it."""

    def claim(self, owner: str, *, gpu: bool = True) -> Job | None:
        """Take the next queued job, or None; two workers never get the same one.

        Jobs of a higher priority come first; among equals the sessions take turns, and the jobs of
        a session keep their order.

        Args:
            owner: the worker.
            gpu: whether the worker may take jobs that need a graphics processor.
        """

    def beat(self, job_id: str, owner: str) -> bool:
        """Renew the lease and return whether a cancel was asked for.

        Raises:
            Conflict: the job is no longer this owner's.
        """

    def append(self, job_id: str, events: Sequence[tuple[str, Mapping[str, Json]]]) -> None: ...

    def finish(
        self,
        job_id: str,
        owner: str,
        state: JobState,
        *,
        result: Mapping[str, Json] | None = None,
        error: Mapping[str, Json] | None = None,
    ) -> None:
        """End a job.

        Raises:
            Conflict: the job is no longer this owner's.
        """

    def hand_back(self, job_id: str, owner: str) -> Job:
        """Queue a running job again, for its last checkpoint to be taken up; cancel it if asked to.

        Raises:
            Conflict: the job is no longer this owner's.
        """

    def recover_owner(self, owner: str, reason: str) -> Jobs:
        """Queue the running jobs of an owner that is known to be dead again.

        Those whose action cannot resume, or that have lost too many workers, fail.
        """

    def running(self) -> Jobs:
        """Return the jobs that run, of all users."""


class JobStore(JobQueue, Protocol):
    """Jobs of all sessions; states move forward, and from running back to queued."""

    def submit(
        self,
        action: str,
        params: Mapping[str, Json],
        session: Session,
        *,
        resumes: bool = False,
        terms: Terms = PLAIN,
    ) -> Job:
        """Record a job.

        Raises:
            KeyReused: the key belongs to another call.
        """

    def find(self, job_id: str, user: str) -> Job: ...
    def list(self, user: str, *, limit: int = 100, before: str | None = None) -> Jobs: ...
    def events(
        self, job_id: str, *, after: int = 0, kind: str | None = None, limit: int = 1000
    ) -> JobEvents: ...

    def request_cancel(self, job_id: str, user: str) -> Job:
        """Ask a job to stop; a queued one ends at once."""

    def recover_silent(self, seen: Job, reason: str) -> Jobs:
        """Do the same with a job, unless its owner has beaten since it was seen."""
