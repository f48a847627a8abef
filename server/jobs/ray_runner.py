"""Worker processes on a Ray cluster, kept warm and replaced when they die.

A worker is an actor, on whichever machine Ray finds room. It takes its jobs from the database by
itself, as every worker does; the server rings at it and hears what it has done through calls of
its methods.
"""

import logging
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

import ray
from ray.exceptions import RayError

from actions.errors import StoreUnavailable
from server.jobs.ray_worker import END, RayWorker, actor, how_it_died
from server.jobs.slots import LAST_CALL_S, Slot, SlotRunner, new_owner
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
class RayRunner(SlotRunner):
    """A fixed number of workers of this server on a Ray cluster, which it joins or starts."""

    def _new_slots(self) -> Sequence[Slot]:
        connect(self.settings)
        return [_Actor(self) for _ in range(self.settings.workers)]

    def close(self) -> None:
        super().close()
        ray.shutdown()


class _Actor(Slot):
    """Keeps one actor running."""

    def __init__(self, runner: SlotRunner) -> None:
        super().__init__(runner)
        self._killed = Event()
        self._actor: Any = None
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        return self._pid

    def wake(self) -> None:
        self._call("wake")

    def _call(self, method: str) -> None:
        """Call a method of the worker, if there is one, without waiting for its answer."""
        with self._lock:
            if self._actor is not None:
                getattr(self._actor, method).remote()

    def close(self) -> None:
        self._closing.set()
        self._call("close")

    def end(self, grace_s: float) -> None:
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

    def _run_once(self) -> bool:
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
            self._actor = self._pid = None
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
            self._pid = ray.get(worker.begin.remote())
            while True:
                for line in ray.get(worker.hear.remote()):
                    if line == END:
                        return "Ray worker ended"
                    self._hear(line.split())
        except RayError as error:
            return STOPPED if self._killed.is_set() else how_it_died(error)
