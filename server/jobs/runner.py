"""What the server asks of whatever runs its jobs.

A runner keeps workers. A worker takes jobs from the database by itself (``server.jobs.worker``), so
nothing that matters passes through the runner: it starts workers, wakes them, replaces those that
die, sees to the jobs these leave, and ends them.
"""

from typing import Protocol


class Runner(Protocol):
    """Keeps workers for a server.

    A worker has a name that no other has (its ``owner``) and one job at a time.
    """

    def start(self) -> None:
        """Start the workers; returns at once, they become ready by themselves."""

    def wake(self) -> None:
        """Make the workers look at the database now: there is a job, or a cancel request."""

    def close(self) -> None:
        """End all workers: idle ones at once, busy ones when the grace has passed."""

    @property
    def size(self) -> int:
        """How many workers there are to be."""

    @property
    def ready(self) -> int:
        """How many workers wait for jobs or run one."""

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now, on this machine or another."""

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every worker has started."""
