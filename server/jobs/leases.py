"""Telling dead workers from living ones, without believing any clock of another machine.

A worker lives while its heartbeats change. What is measured is how long they did not, on a clock of
this process that never goes back; a time that stands in the database is only ever compared with
itself. While the database is away nobody can beat, so its absence does not count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from actions.job_ports import Job, JobStore

BEATS = 5
"""Heartbeats that are waited for where the database's times say that a lease has ended already."""

Beat = tuple[str | None, datetime | None]


@dataclass
class Leases:
    """Watches the heartbeats of running jobs.

    Attributes:
        lease_s: silence after which a worker counts as dead.
        heartbeat_s: time between two heartbeats.
        now: what the time is; only to find jobs that were silent before this process began.
        clock: seconds of a clock that never goes back.
    """

    jobs: JobStore
    lease_s: float
    heartbeat_s: float
    now: Callable[[], datetime]
    clock: Callable[[], float] = monotonic
    _seen: dict[str, tuple[Beat, float]] = field(default_factory=dict)

    def recover(self) -> list[Job]:
        """Queue the jobs of silent workers again, or fail them; return them as they are now.

        Raises:
            StoreUnavailable: the database is away; the watch begins anew when it is back.
        """
        seen, self._seen = self._seen, {}
        running = self.jobs.running()
        found = list(self._silent(running, seen))
        return [each for job in found for each in self.jobs.recover_silent(job, self._reason(job))]

    def _silent(self, running: list[Job], seen: dict[str, tuple[Beat, float]]) -> Iterator[Job]:
        clock = self.clock()
        for job in running:
            beat = (job.owner, job.heartbeat)
            last, since = seen.get(job.id, (beat, clock))
            since = since if last == beat else clock
            self._seen[job.id] = (beat, since)
            if clock - since >= self._patience_s(job):
                yield job

    def _patience_s(self, job: Job) -> float:
        lease = timedelta(seconds=self.lease_s)
        is_old = job.heartbeat is not None and self.now() - job.heartbeat > lease
        return min(self.lease_s, BEATS * self.heartbeat_s) if is_old else self.lease_s

    def _reason(self, job: Job) -> str:
        return f"the worker {job.owner!r} has not been heard of for {self.lease_s:g} s"
