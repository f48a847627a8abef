"""Waking those who follow a job: one event object a follower, no thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(eq=False)
class Follower:
    """A coroutine that follows a job.

    Attributes:
        every_event: wake for each event, and not only when the job's state changes.
    """

    job_id: str
    every_event: bool
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout_s: float) -> None:
        """Return when the job has changed since the last call, or after the time-out."""
        try:
            await asyncio.wait_for(self.changed.wait(), timeout_s)
        except TimeoutError:
            return
        self.changed.clear()


class JobSignals:
    """Tells followers in this process that a job has news; the database has the news itself.

    What happens on other machines is not told here, so followers also look at the database from
    time to time.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._followers: dict[str, set[Follower]] = {}
        self.stopped = False

    @contextmanager
    def follow(self, job_id: str, *, every_event: bool) -> Iterator[Follower]:
        """Register the running coroutine as a follower of a job."""
        follower = Follower(job_id, every_event)
        with self._lock:
            self._followers.setdefault(job_id, set()).add(follower)
        try:
            yield follower
        finally:
            with self._lock:
                rest = self._followers[job_id]
                rest.discard(follower)
                if not rest:
                    del self._followers[job_id]

    def notify(self, job_id: str, *, state: bool) -> None:
        """Wake the followers of a job, from any thread; ``state`` says that its state changed."""
        with self._lock:
            for follower in self._followers.get(job_id, ()):
                if state or follower.every_event:
                    _wake(follower)

    def stop(self) -> None:
        """Wake everybody for the last time: the server stops."""
        with self._lock:
            self.stopped = True
            for followers in self._followers.values():
                for follower in followers:
                    _wake(follower)

    @property
    def followers(self) -> int:
        """How many coroutines follow a job."""
        with self._lock:
            return sum(map(len, self._followers.values()))


def _wake(follower: Follower) -> None:
    if not follower.loop.is_closed():
        follower.loop.call_soon_threadsafe(follower.changed.set)
