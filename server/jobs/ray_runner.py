"""Worker processes on a Ray cluster, kept warm and replaced when they die.

A worker is an actor, on whichever machine Ray finds room. It takes its jobs from the database by
itself, as every worker does; the server rings at it and hears what it has done through calls of
its methods.
"""

import logging
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

import ray
from ray.exceptions import RayError

from actions.errors import StoreUnavailable
from actions.job_ports import JobStore
from server.jobs.events import JobSignals
from server.jobs.local_runner import FIRST_PAUSE_S, LAST_CALL_S, MAX_PAUSE_S, new_owner
from server.jobs.ray_worker import END, RayWorker, actor, how_it_died
from server.settings import MEBIBYTE, Settings, processors

LOG = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 128 * MEBIBYTE
"""Shared memory of a cluster of this server's own; blocks of scores pass through it."""

OWN_ADDRESS = "127.0.0.2"
"""Of a cluster of this server's own: loopback, as 127.0.0.1 is taken for that of the network."""

STOPPED = "the worker was stopped while the job ran"


def connect(settings: Settings) -> None:
    """Join the Ray cluster of the settings, or start one of this server's own on loopback.

    Raises:
        StoreUnavailable: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    shared: dict[str, Any] = {"configure_logging": False, "namespace": "castorch"}
    if settings.ray_address is not None:
        try:
            ray.init(address=settings.ray_address, **shared)
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            reason = str(error).partition("\n")[0]
            raise StoreUnavailable(
                f"setting 'ray_address' got {settings.ray_address!r}, where no cluster answers: "
                f"{reason}"
            ) from error
        return
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray.init(
        num_cpus=settings.ray_cpus or max(processors(), settings.workers * settings.threads),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address=OWN_ADDRESS,
        **shared,
    )


@dataclass
class RayRunner:
    """A fixed number of workers of this server on a Ray cluster."""

    settings: Settings
    jobs: JobStore
    signals: JobSignals
    _slots: list["_Slot"] = field(default_factory=list)

    def start(self) -> None:
        """Join the cluster and start the workers, which become ready by themselves.

        Raises:
            StoreUnavailable: there is no cluster at the address.
        """
        connect(self.settings)
        self._slots = [_Slot(self) for _ in range(self.settings.workers)]

    def wake(self) -> None:
        """Make the workers look at the database now: there is a job, or a cancel request."""
        for slot in self._slots:
            slot.call("wake")

    def close(self) -> None:
        """End all workers: idle ones at once, busy ones when the grace has passed."""
        for slot in self._slots:
            slot.close()
        deadline = time.monotonic() + self.settings.stop_grace_s
        for slot in self._slots:
            slot.end(max(0.0, deadline - time.monotonic()))
        self._slots = []
        ray.shutdown()

    @property
    def size(self) -> int:
        """How many workers there are to be."""
        return self.settings.workers

    @property
    def ready(self) -> int:
        """How many workers wait for jobs or run one."""
        return sum(slot.ready.is_set() for slot in self._slots)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now, on this machine or another."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every worker has started."""
        deadline = time.monotonic() + timeout_s
        return all(slot.ready.wait(deadline - time.monotonic()) for slot in self._slots)


class _Slot:
    """Keeps one worker running, and cleans up behind it when it dies."""

    def __init__(self, runner: RayRunner) -> None:
        self._runner = runner
        self._closing = Event()
        self._killed = Event()
        self._lock = Lock()
        self._actor: Any = None
        self.ready = Event()
        self.pid: int | None = None
        self._thread = Thread(target=self._keep, name="castorch-runner", daemon=True)
        self._thread.start()

    def call(self, method: str) -> None:
        """Call a method of the worker, if there is one, without waiting for its answer."""
        with self._lock:
            if self._actor is not None:
                getattr(self._actor, method).remote()

    def close(self) -> None:
        """Let the worker take no further job; start no other."""
        self._closing.set()
        self.call("close")

    def end(self, grace_s: float) -> None:
        """Return when the worker has ended, by itself within the grace, or by force."""
        if self.ready.is_set():
            self._thread.join(grace_s)
            self._thread.join(LAST_CALL_S if self._hands_back() else 0.0)
        self._killed.set()
        with self._lock:
            if self._actor is not None:
                ray.kill(self._actor)
        self._thread.join(LAST_CALL_S)

    def _hands_back(self) -> bool:
        """Return whether the worker runs a job that it hands back after a checkpoint."""
        with self._lock:
            asked = self._actor
        if asked is None:
            return False
        with suppress(RayError):
            return bool(ray.get(asked.hands_back.remote(), timeout=LAST_CALL_S))
        return False

    def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            pause_s = FIRST_PAUSE_S if self._run_once() else min(MAX_PAUSE_S, pause_s * 2)
            self._closing.wait(pause_s if pause_s > FIRST_PAUSE_S else 0)

    def _run_once(self) -> bool:
        """Run one worker to its end and return whether it had become ready."""
        owner = new_owner()
        settings = self._runner.settings.absolute
        with self._lock:
            if self._closing.is_set():
                return True
            self._actor = actor(RayWorker, settings).remote(settings, owner)
            started = self._actor
        reason = self._follow(started)
        was_ready = self.ready.is_set()
        with self._lock:
            self._actor = self.pid = None
            self.ready.clear()
        with suppress(RayError):
            ray.kill(started)
        if not self._closing.is_set():
            LOG.error(reason, extra={"owner": owner})
        self._clean_up(owner, reason)
        return was_ready

    def _follow(self, worker: Any) -> str:
        """Hear what a worker tells until its end, and return how it ended."""
        try:
            self.pid = ray.get(worker.begin.remote())
            while True:
                for line in ray.get(worker.hear.remote()):
                    if line == END:
                        return "Ray worker ended"
                    self._hear(line.split())
        except RayError as error:
            return STOPPED if self._killed.is_set() else how_it_died(error)

    def _hear(self, words: list[str]) -> None:
        match words:
            case ["ready"]:
                self.ready.set()
            case ["state", job_id]:
                self._runner.signals.notify(job_id, state=True)
            case ["events", job_id]:
                self._runner.signals.notify(job_id, state=False)

    def _clean_up(self, owner: str, reason: str) -> None:
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
