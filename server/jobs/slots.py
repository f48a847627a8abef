"""Places for workers: each keeps one running, whatever it is, and cleans up behind it."""

import logging
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from uuid import uuid4

from actions.errors import StoreUnavailable
from actions.job_ports import JobStore
from server.jobs.events import JobSignals
from server.settings import Settings

LOG = logging.getLogger(__name__)

LAST_CALL_S = 5.0
"""Time between asking a worker to end and ending it by force, in seconds."""

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
"""Shortest and longest pause before a worker that did not even start is started again."""


def new_owner() -> str:
    """Return a name for a worker that no other on any machine has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


@dataclass
class SlotRunner(ABC):
    """A fixed number of workers of this server, a slot for each; see ``server.jobs.runner``."""

    settings: Settings
    jobs: JobStore
    signals: JobSignals
    slots: Sequence["Slot"] = field(default=(), init=False)

    def start(self) -> None:
        """Start the workers; returns at once, they become ready by themselves.

        Raises:
            StoreUnavailable: there is no place where they could run.
        """
        self.slots = self._new_slots()
        for slot in self.slots:
            slot.start()

    @abstractmethod
    def _new_slots(self) -> Sequence["Slot"]:
        """Return the slots, which have not started."""

    def wake(self) -> None:
        """Make the workers look at the database now: there is a job, or a cancel request."""
        for slot in self.slots:
            slot.wake()

    def close(self) -> None:
        """End all workers: idle ones at once, busy ones when the grace has passed."""
        for slot in self.slots:
            slot.close()
        deadline = time.monotonic() + self.settings.stop_grace_s
        for slot in self.slots:
            slot.end(max(0.0, deadline - time.monotonic()))
        self.slots = ()

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self.settings.workers

    @property
    def ready(self) -> int:
        """How many workers wait for jobs or run one."""
        return sum(slot.ready.is_set() for slot in self.slots)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now, on this machine or another."""
        return [pid for slot in self.slots if (pid := slot.pid) is not None]

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every worker has started."""
        deadline = time.monotonic() + timeout_s
        return all(slot.ready.wait(deadline - time.monotonic()) for slot in self.slots)


class Slot(ABC):
    """Keeps one worker running, and cleans up behind it when it dies.

    Attributes:
        ready: whether the worker waits for a job or runs one.
    """

    def __init__(self, runner: SlotRunner) -> None:
        self.ready = Event()
        self._runner = runner
        self._closing = Event()
        self._lock = Lock()
        self._thread = Thread(target=self._keep, name="castorch-runner", daemon=True)

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Process id of the worker, if there is one now."""

    def start(self) -> None:
        """Start the worker; returns at once."""
        self._thread.start()

    @abstractmethod
    def wake(self) -> None:
        """Make the worker look at the database."""

    @abstractmethod
    def close(self) -> None:
        """Let the worker take no further job; start no other."""

    @abstractmethod
    def end(self, grace_s: float) -> None:
        """Return when the worker has ended, by itself within the grace, or by force."""

    @abstractmethod
    def _run_once(self) -> bool:
        """Run one worker to its end and return whether it had become ready."""

    def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            pause_s = FIRST_PAUSE_S if self._run_once() else min(MAX_PAUSE_S, pause_s * 2)
            self._closing.wait(pause_s if pause_s > FIRST_PAUSE_S else 0)

    def _hear(self, words: list[str]) -> None:
        """Take note of what the worker tells."""
        match words:
            case ["ready"]:
                self.ready.set()
            case ["state", job_id]:
                self._runner.signals.notify(job_id, state=True)
            case ["events", job_id]:
                self._runner.signals.notify(job_id, state=False)

    def _clean_up(self, owner: str, reason: str) -> None:
        """See to the job that a worker left when it ended."""
        try:
            left = self._runner.jobs.recover_owner(owner, reason)
        except StoreUnavailable as error:
            LOG.warning("the jobs of %s wait for their lease to end: %s", owner, error)
            return
        for job in left:
            LOG.error("job lost", extra={"job_id": job.id, "state": job.state, "reason": reason})
            self._runner.signals.notify(job.id, state=True)
        if any(job.state == "queued" for job in left):
            self._runner.wake()
