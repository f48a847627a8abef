"""The actor that a Ray cluster runs for a server: a worker whose bell is rung by calls."""

import os
import re
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import ray
from ray.exceptions import RayError

from server.jobs.worker import Bell, warm
from server.logs import start_logging
from server.settings import KEEP_MEMORY, Settings, worker_environment

END = "end"
"""The last line a worker tells."""

HEAR_S = 5.0
"""Longest time a call waits for the next line, in seconds."""

CALLS = 8
"""Calls of an actor that are answered at the same time."""

EXIT_DETAIL = re.compile(r"Worker exit detail: (.*?)(?: Some common causes|$)")
LONGEST_REASON = 300
"""Of an account of a death that is none of a process, in characters."""

_PASSED_ON = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", *KEEP_MEMORY)


def reserved(settings: Settings) -> dict[str, Any]:
    """Return what Ray is to reserve for a worker or a helper, and the environment it has."""
    environment = worker_environment(settings)
    return {
        "num_cpus": settings.threads,
        "num_gpus": settings.ray_gpus,
        "runtime_env": {
            "env_vars": {name: environment[name] for name in _PASSED_ON if name in environment}
        },
    }


def actor(kind: type, settings: Settings) -> Any:
    """Return the actors of a class, each with a worker's place of its own."""
    return ray.remote(kind).options(max_restarts=0, max_concurrency=CALLS, **reserved(settings))


def own_address() -> str:
    """Return the address of this machine in the cluster."""
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


def how_it_died(error: RayError) -> str:
    """Say in one line how a worker died, from Ray's account of it."""
    account = " ".join(str(error).split())
    detail = EXIT_DETAIL.search(account)
    return f"Ray worker died: {detail[1] if detail else account[:LONGEST_REASON]}"


class RayWorker:
    """Takes jobs from the database, as the worker processes of a machine do."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self._settings = settings
        self._owner = owner
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._bell = Bell(tell=self._lines.put)

    def begin(self) -> int:
        """Start to work and return the process id."""
        start_logging(self._settings.log_level)
        Thread(target=self._work, name="castorch-worker", daemon=True).start()
        return os.getpid()

    def hear(self) -> list[str]:
        """Return the lines told since the last call, after a while none."""
        lines = []
        try:
            lines.append(self._lines.get(timeout=HEAR_S))
            while True:
                lines.append(self._lines.get_nowait())
        except Empty:
            return lines

    def wake(self) -> None:
        """Look at the database now."""
        self._bell.ring()

    def close(self) -> None:
        """Take no further job, and end when there is none."""
        self._bell.close()

    def hands_back(self) -> bool:
        """Return whether a job runs that is handed back after a checkpoint."""
        return self._bell.holds_resuming

    def _work(self) -> None:
        from server.jobs.ray_team import RayTeam
        from server.wiring import open_stores, worker_for  # which names the runners

        try:
            stores = open_stores(self._settings)
            try:
                with warm(self._settings.threads):
                    self._bell.tell("ready")
                    worker_for(self._settings, stores, self._owner, self._bell, RayTeam).work()
            finally:
                stores.close()
        finally:
            self._bell.tell(END)
