"""Worker processes on this machine, kept warm and replaced when they die.

A worker is a process of its own (started afresh, never forked, because of CUDA) that takes its
jobs from the database. Two pipes join it to the server: a byte down means "look again", the end of
the pipe means "take no further job"; lines up tell what it has done. Nothing that matters travels
through the pipes, so a worker outlives its server and finishes what it does.
"""

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from uuid import uuid4

from actions.errors import StoreUnavailable
from actions.job_ports import JobStore
from engine.devices import gpu_count
from server.jobs.events import JobSignals
from server.settings import WORKER_COMMAND, Settings, worker_environment

LOG = logging.getLogger(__name__)

LAST_CALL_S = 5.0
"""Time between asking a worker to end and killing it, in seconds."""

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
"""Shortest and longest pause before a worker that did not even start is started again."""


def new_owner() -> str:
    """Return a name for a worker that no other on any machine has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


def how_it_ended(code: int) -> str:
    """Say how a process ended, from its return code."""
    if code >= 0:
        return f"worker process ended with code {code}"
    names = {each.value: f" ({each.name})" for each in signal.Signals}
    # what the system does to a process when the memory of the machine is used up
    killed = ", as when memory runs out" if code == -signal.SIGKILL else ""
    return f"worker process ended with signal {-code}{names.get(-code, '')}{killed}"


@dataclass
class LocalRunner:
    """A fixed number of worker processes of this server."""

    settings: Settings
    jobs: JobStore
    signals: JobSignals
    count_gpus: Callable[[], int] = gpu_count
    _slots: list["_Slot"] = field(default_factory=list)

    def start(self) -> None:
        """Start the worker processes; returns at once, they become ready by themselves."""
        gpus = self._gpus()
        beyond = [""] * self.settings.workers if gpus else [None] * self.settings.workers
        shares = [*gpus, *beyond][: self.settings.workers]
        self._slots = [_Slot(self, gpu) for gpu in shares]

    def wake(self) -> None:
        """Make the workers look at the database now: there is a job, or a cancel request."""
        for slot in self._slots:
            slot.wake()

    def close(self) -> None:
        """End all workers: idle ones at once, busy ones when the grace has passed."""
        for slot in self._slots:
            slot.close()
        deadline = time.monotonic() + self.settings.stop_grace_s
        for slot in self._slots:
            slot.end(max(0.0, deadline - time.monotonic()))
        self._slots = []

    def _gpus(self) -> tuple[str, ...]:
        """Return the graphics processors that the workers share, one each."""
        named = self.settings.visible_gpus
        if named is not None:
            return named
        return tuple(map(str, range(self.count_gpus())))

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
        """Process ids of the workers that run now."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every worker has started."""
        deadline = time.monotonic() + timeout_s
        return all(slot.ready.wait(deadline - time.monotonic()) for slot in self._slots)


class _Slot:
    """Keeps one worker process running, and cleans up behind it when it dies."""

    def __init__(self, runner: LocalRunner, gpu: str | None) -> None:
        self._runner = runner
        # one that has no graphics processor, where others have, leaves them the jobs for one
        lacks = {"takes_gpu_jobs": False} if gpu == "" else {}
        settings = runner.settings.model_copy(update=lacks)
        self._environment = worker_environment(settings, gpu)
        self._closing = Event()
        self._lock = Lock()
        self.ready = Event()
        self.process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._keep, name="castorch-runner", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Make the worker look at the database."""
        with self._lock:
            if self.process is not None and not self._closing.is_set():
                _write(self.process)

    def close(self) -> None:
        """Let the worker take no further job; start no other."""
        with self._lock:
            self._closing.set()
            if self.process is not None:
                _hang_up(self.process)

    def end(self, grace_s: float) -> None:
        """Return when the worker has ended, by itself within the grace, or by force."""
        if self.ready.is_set():
            self._thread.join(grace_s)
        for stop in (subprocess.Popen.terminate, subprocess.Popen.kill):
            with self._lock:
                if self.process is not None:
                    stop(self.process)
            self._thread.join(LAST_CALL_S)

    def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            pause_s = FIRST_PAUSE_S if self._run_once() else min(MAX_PAUSE_S, pause_s * 2)
            self._closing.wait(pause_s if pause_s > FIRST_PAUSE_S else 0)

    def _run_once(self) -> bool:
        """Run one process to its end and return whether it had become ready."""
        owner = new_owner()
        process = self._spawn(owner)
        if process is None or process.stdout is None:
            return True
        with process.stdout as lines:
            for line in lines:
                self._hear(line.decode().split())
        reason = how_it_ended(process.wait())
        was_ready = self.ready.is_set()
        with self._lock:
            self.process = None
            self.ready.clear()
            _hang_up(process)
        if not self._closing.is_set():
            LOG.error(reason, extra={"pid": process.pid, "owner": owner})
        self._clean_up(owner, reason)
        return was_ready

    def _spawn(self, owner: str) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._closing.is_set():
                return None
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                (*WORKER_COMMAND, "--piped", "--owner", owner),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the server, which then ends its workers
            )
            return self.process

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


def _write(process: subprocess.Popen[bytes]) -> None:
    """Ring at a worker; one that has just died hears nothing, and its slot knows already."""
    if process.stdin is not None and not process.stdin.closed:
        with suppress(BrokenPipeError):
            process.stdin.write(b"\n")
            process.stdin.flush()


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None and not process.stdin.closed:
        with suppress(BrokenPipeError):
            process.stdin.close()
