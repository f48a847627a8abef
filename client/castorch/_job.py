"""Jobs: actions that run in another process, watched from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from castorch._clock import Clock
from castorch._errors import (
    ConnectionFailed,
    JobCancelled,
    JobFailed,
    StoreUnavailable,
    TimedOut,
    from_body,
)
from castorch._request import Request
from castorch._results import Result, read_result
from castorch._spelling import snake_keys
from castorch._tensorboard import export_events

if TYPE_CHECKING:
    from castorch._transport import Transport

FINAL_STATES = frozenset({"done", "failed", "cancelled"})
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
LONGEST_ABSENCE_S = 60.0


class _Patience:
    """Bears with a server that is away for a while, as when it is restarted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None

    def restore(self) -> None:
        """Note that the server answered."""
        self._since = None

    def lose(self, error: ConnectionFailed | StoreUnavailable) -> None:
        """Pause before the server is asked again, or raise the error when it is away too long."""
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        if now - self._since >= LONGEST_ABSENCE_S:
            raise error
        self._clock.pause(LONGEST_PAUSE_S)


@dataclass(frozen=True)
class JobEvent:
    """Something a job reported.

    Attributes:
        kind: ``epoch``, ``batch``, ``note``, ``progress`` or ``state``.
        data: what it says, in snake_case.
        id: its number in the stream, as text.
    """

    kind: str
    data: Mapping[str, Any]
    id: str = ""


class Job:
    """A handle on a job; its state is as it was last seen, :meth:`refresh` asks again."""

    def __init__(self, transport: Transport, body: Mapping[str, Any]) -> None:
        self._transport = transport
        self._body = body
        self.id = str(body["id"])

    def __repr__(self) -> str:
        return f"Job({self.id!r}, {self.action}, {self.state})"

    @property
    def action(self) -> str:
        """Name of the action that runs."""
        return str(self._body.get("action", ""))

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed`` or ``cancelled``, as last seen."""
        return str(self._body.get("state", ""))

    @property
    def is_final(self) -> bool:
        """Whether the job has ended, as last seen."""
        return self.state in FINAL_STATES

    @property
    def seconds(self) -> float | None:
        """How long the job ran, waiting left out; None while it has not ended."""
        started, finished = self._body.get("started"), self._body.get("finished")
        if started is None or finished is None:
            return None
        return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()

    @property
    def info(self) -> Mapping[str, Any]:
        """Everything the server told when the job was last seen."""
        return self._body

    def refresh(self) -> Job:
        """Ask the server for the job's present state, and return the job itself.

        Raises:
            JobNotFound: the server keeps no such job.
        """
        self._body = self._transport.send(Request("GET", self._path())).json()
        return self

    def wait(self, timeout_s: float | None = None) -> Result:
        """Wait for the job's end and return its result.

        Args:
            timeout_s: seconds to wait at most; None waits as long as it takes.

        Raises:
            TimedOut: the job still runs; it goes on running.
            ActionFailed: the job failed; the class is that of its error.
            JobCancelled: the job was cancelled.
        """
        clock, pause_s = self._transport.clock, FIRST_PAUSE_S
        start, patience = clock.now(), _Patience(self._transport.clock)
        while not self._is_over(patience):
            if timeout_s is not None and clock.now() - start >= timeout_s:
                raise TimedOut(
                    f"job {self.id!r} is still {self.state} after {timeout_s:g} s",
                    job=self.id,
                    state=self.state,
                )
            clock.pause(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
        return self.result()

    def result(self) -> Result:
        """Return the result of a job that has ended.

        Raises:
            ActionFailed: the job failed; the class is that of its error.
            JobCancelled: the job was cancelled.
            JobFailed: the job has not ended, or ended without an error of its own.
        """
        if self.state == "done":
            return read_result({"job": self.id, **(self._body.get("result") or {})})
        error = self._body.get("error")
        if error:
            raise from_body(error)
        if self.state == "cancelled":
            raise JobCancelled(f"job {self.id!r} was cancelled", job=self.id)
        raise JobFailed(
            f"job {self.id!r} is {self.state}, expected it done", job=self.id, state=self.state
        )

    def follow(self) -> Iterator[JobEvent]:
        """Yield what the job reports, from its beginning to its end, as it happens.

        A connection that breaks is opened again behind the last event seen; a server may be away
        for a minute.

        Raises:
            ConnectionFailed: the server stayed away.
        """
        seen, patience = "", _Patience(self._transport.clock)
        while True:
            try:
                for event in self._transport.events(self._path() + "/events", after=seen):
                    seen = event.id or seen
                    patience.restore()
                    yield JobEvent(event.name, snake_keys(loads(event.data)), event.id)
            except (ConnectionFailed, StoreUnavailable) as error:
                patience.lose(error)
            else:
                if self._is_over(patience):
                    return
                self._transport.clock.pause(LONGEST_PAUSE_S)

    def cancel(self) -> Job:
        """Ask the job to stop, and return it; a running one stops at its next batch."""
        self._body = self._transport.send(Request("DELETE", self._path())).json()
        return self

    def metrics(self, kind: str = "epoch") -> list[dict[str, Any]]:
        """Return the numbers of each epoch (or ``batch``) so far, with their time."""
        found: list[dict[str, Any]] = []
        cursor: int | None = 0
        while cursor is not None:
            query: dict[str, str | int | bool | None] = {"kind": kind, "cursor": cursor}
            request = Request("GET", self._path() + "/metrics", query=query)
            page = self._transport.send(request).json()
            found += [snake_keys(each) for each in page["metrics"]]
            cursor = page.get("cursor")
        return found

    def export_events(self, folder: str | Path) -> Path:
        """Write what the job measured for TensorBoard, and return the folder of the event file.

        Args:
            folder: the log folder of TensorBoard; the job gets a folder of its id in it.

        Raises:
            MissingExtra: TensorBoard is not installed.
        """
        return export_events(self, folder)

    def _is_over(self, patience: _Patience) -> bool:
        try:
            self.refresh()
        except (ConnectionFailed, StoreUnavailable) as error:
            patience.lose(error)
            return False
        patience.restore()
        return self.is_final

    def _path(self) -> str:
        return "/v1/jobs/" + quote(self.id, safe="")


def find_job(transport: Transport, job_id: str) -> Job:
    """Return a job by its id.

    Raises:
        JobNotFound: the caller has no such job.
    """
    return Job(transport, {"id": job_id}).refresh()
