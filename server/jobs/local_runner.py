"""Worker processes on this machine, kept warm and replaced when they die.

A worker is a process of its own (started afresh, never forked, because of CUDA) that takes its
jobs from the database. Two pipes join it to the server: a byte down means "look again", the end of
the pipe means "take no further job"; lines up tell what it has done. Nothing that matters travels
through the pipes, so a worker outlives its server and finishes what it does.
"""

import logging
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.devices import gpu_count
from server.jobs.slots import LAST_CALL_S, Slot, SlotRunner, new_owner
from server.settings import WORKER_COMMAND, worker_environment

LOG = logging.getLogger(__name__)


def how_it_ended(code: int) -> str:
    """Say how a process ended, from its return code."""
    if code >= 0:
        return f"worker process ended with code {code}"
    names = {each.value: f" ({each.name})" for each in signal.Signals}
    # what the system does to a process when the memory of the machine is used up
    killed = ", as when memory runs out" if code == -signal.SIGKILL else ""
    return f"worker process ended with signal {-code}{names.get(-code, '')}{killed}"


@dataclass
class LocalRunner(SlotRunner):
    """A fixed number of worker processes of this server."""

    count_gpus: Callable[[], int] = gpu_count

    def _new_slots(self) -> Sequence[Slot]:
        gpus = self._gpus()
        beyond = [""] * self.settings.workers if gpus else [None] * self.settings.workers
        return [_Process(self, gpu) for gpu in [*gpus, *beyond][: self.settings.workers]]

    def _gpus(self) -> tuple[str, ...]:
        """Return the graphics processors that the workers share, one each."""
        named = self.settings.visible_gpus
        if named is not None:
            return named
        return tuple(map(str, range(self.count_gpus())))


class _Process(Slot):
    """Keeps one worker process running."""

    def __init__(self, runner: SlotRunner, gpu: str | None) -> None:
        super().__init__(runner)
        # one that has no graphics processor, where others have, leaves them the jobs for one
        lacks = {"takes_gpu_jobs": False} if gpu == "" else {}
        settings = runner.settings.model_copy(update=lacks)
        self._environment = worker_environment(settings, gpu)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        process = self._process
        return None if process is None else process.pid

    def wake(self) -> None:
        with self._lock:
            if self._process is not None and not self._closing.is_set():
                _write(self._process)

    def close(self) -> None:
        with self._lock:
            self._closing.set()
            if self._process is not None:
                _hang_up(self._process)

    def end(self, grace_s: float) -> None:
        if self.ready.is_set():
            self._thread.join(grace_s)
        for stop in (subprocess.Popen.terminate, subprocess.Popen.kill):
            with self._lock:
                if self._process is not None:
                    stop(self._process)
            self._thread.join(LAST_CALL_S)

    def _run_once(self) -> bool:
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
            self._process = None
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
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                (*WORKER_COMMAND, "--piped", "--owner", owner),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the server, which then ends its workers
            )
            return self._process


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
