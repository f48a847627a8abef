"""Answers that a client has lost the connection to, and how it gets them after all.

Answers of jobs are in the database. Of actions that ran inside a request the last answer of a
session is kept here, in memory; it is gone with the server.

Source: CAS REST dialect, connection loss (1.4).
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from actions.errors import InvalidParameters
from actions.job_ports import Job
from actions.ports import Session
from actions.results import Json
from engine.errors import Cancelled
from server.errors import Failure
from server.failures import failure
from server.wiring import Resources

SESSIONS_KEPT = 256
"""Sessions whose last answer is kept; beyond that the oldest answers go."""

BYTES_KEPT = 64 << 20
"""Bytes of all answers that are kept; a single longer one is not kept at all."""

JOBS_SEEN = 100
"""Jobs of a user, newest first, among which those of a session are looked for."""


@dataclass(frozen=True)
class Answer:
    """The last answer of a session: its envelope, or the job that has it.

    Attributes:
        id: a whole number, as clients write it into JSON without quotes.
    """

    id: int
    action: str
    body: bytes = b""
    job_id: str | None = None


class Answers:
    """The last answer of every session, and how many calls of it are running."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._bytes = 0
        self._lock = Lock()

    @contextmanager
    def running(self, session_id: str) -> Iterator[None]:
        """Count a call of a session while the block runs."""
        with self._lock:
            self._running[session_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[session_id] -= 1
                if not self._running[session_id]:
                    del self._running[session_id]

    def is_running(self, session_id: str) -> bool:
        """Return whether a call of a session runs in a request."""
        with self._lock:
            return self._running[session_id] > 0

    def keep(self, session_id: str, action: str, body: bytes) -> None:
        """Keep an envelope in the place of the session's last answer."""
        self._put(session_id, Answer(time.time_ns() // 1000, action, body))

    def await_job(self, session_id: str, action: str, job_id: str) -> None:
        """Keep a job, whose answer will be in the database, in the place of the last answer."""
        self._put(session_id, Answer(time.time_ns() // 1000, action, job_id=job_id))

    def last(self, session_id: str) -> Answer | None:
        """Return the last answer of a session, if it is kept."""
        with self._lock:
            return self._kept.get(session_id)

    def _put(self, session_id: str, answer: Answer) -> None:
        with self._lock:
            self._forget(session_id)
            self._kept[session_id] = answer
            self._bytes += len(answer.body)
            while self._bytes > BYTES_KEPT or len(self._kept) > SESSIONS_KEPT:
                self._forget(next(iter(self._kept)))

    def _forget(self, session_id: str) -> None:
        gone = self._kept.pop(session_id, None)
        self._bytes -= len(gone.body) if gone else 0


def outcome(resources: Resources, job: Job) -> dict[str, Any] | Failure:
    """Return what became of a job: its answer, or why there is none, with what it had noted."""
    if job.state == "done":
        return dict(job.result or {})
    cancelled = Cancelled(f"job {job.id!r} has no answer: it is {job.state}")
    events = resources.stores.jobs.events(job.id, kind="note")
    messages = [_message(event.data) for event in events]
    return Failure(job.error or failure(cancelled), messages)


def retrieve(
    resources: Resources, answers: Answers, session: Session, raw: Mapping[str, Json]
) -> dict[str, Any] | Failure | bytes:
    """Return the list of answers of a session, or with ``id`` the envelope of one.

    Raises:
        InvalidParameters: there is no answer of that id.
    """
    last = answers.last(session.id) or _last_job(resources, session)
    wanted = next((value for key, value in raw.items() if key.lower() == "id"), None)
    if wanted is None:
        return _listed(last)
    if last is None or str(wanted) != str(last.id):
        raise InvalidParameters(
            f"parameter 'id' got {wanted!r}, expected the id of an answer that listResults tells",
            parameter="id",
        )
    if last.job_id is None:
        return last.body
    return outcome(resources, resources.stores.jobs.find(last.job_id, session.user))


def _last_job(resources: Resources, session: Session) -> Answer | None:
    found = resources.stores.jobs.list(session.user, limit=JOBS_SEEN)
    mine = (each for each in found if each.session_id == session.id)
    job = next(mine, None)
    if job is None:
        return None
    return Answer(int(job.created.timestamp() * 1e6), job.action, job_id=job.id)


def _listed(last: Answer | None) -> dict[str, Any]:
    rows = [] if last is None else [[last.id, last.action]]
    columns = [{"name": "ID", "type": "int64"}, {"name": "Action", "type": "string"}]
    table = {"columns": columns, "rows": rows, "title": "Queued Results"}
    return {"tables": {"Queued Results": table}, "values": {}, "messages": []}


def _message(data: Mapping[str, Json]) -> dict[str, Json]:
    return {"level": str(data.get("level", "note")), "text": str(data.get("text", ""))}
