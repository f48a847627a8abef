"""Processes that start at once: forked from one that has imported everything, and used nothing.

A fresh process takes seconds to import what a server needs, and trials need hundreds. The *nursery*
is a process that imports it once; whoever knows its address can have it fork. The forked process is
one of its own in every other way: it has its own session, its pipes, and its end by any signal.

``python -m tests.faults.forking ADDRESS`` is the nursery.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

ADDRESS = "FAULTS_NURSERY"
"""Where a forked process finds its nursery."""

MESSAGE_BYTES = 1 << 20
START_S = 600.0
"""Time to import everything, on a machine that is busy with other work."""


class Forked:
    """As much of ``subprocess.Popen`` as a runner and a test ask for."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        start_new_session: bool = True,
    ) -> None:
        del stdin, stdout, start_new_session
        down, up, status = os.pipe(), os.pipe(), os.pipe()
        errors = 2 if stderr is None else stderr
        with socket.socket(socket.AF_UNIX) as nursery:
            nursery.connect(env[ADDRESS])
            call = json.dumps({"args": list(args), "env": dict(env)}).encode()
            socket.send_fds(nursery, [call], [down[0], up[1], errors, status[1]])
            self.pid = int(nursery.recv(64))
        for each in (down[0], up[1], status[1]):
            os.close(each)
        self.stdin: IO[bytes] = os.fdopen(down[1], "wb")
        self.stdout: IO[bytes] = os.fdopen(up[0], "rb")
        self._status = status[0]
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the code the process ended with."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("forked", timeout or 0.0)
            self.returncode = int(os.read(self._status, 64))
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)


def start_nursery(address: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a nursery, and return when it can be asked."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.faults.forking", str(address)],
        env=environment,
    )
    deadline = time.monotonic() + START_S
    while not address.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise TimeoutError(f"the nursery did not start within {START_S:.0f} s")
        time.sleep(0.02)
    return process


def _nurse(address: str) -> None:
    import server.jobs.piped
    import server.serving
    import server.wiring  # noqa: F401 - what a server and its workers need

    children: dict[int, int] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address + ".new")
        listener.listen()
        os.rename(address + ".new", address)  # noqa: PTH104 - seen when it listens
        while True:
            if select.select([listener], [], [], 0.01)[0]:
                _fork(listener, children)
            _reap(children)


def _fork(listener: socket.socket, children: dict[int, int]) -> None:
    caller, _ = listener.accept()
    message, pipes, _, _ = socket.recv_fds(caller, MESSAGE_BYTES, 4)
    if not message:  # it was killed before it asked
        caller.close()
        return
    call = json.loads(message)
    pid = os.fork()
    if pid == 0:
        caller.close()
        listener.close()
        for status in children.values():
            os.close(status)
        _become(call["args"], call["env"], pipes)
    children[pid] = pipes.pop()
    for each in pipes:
        os.close(each)
    with suppress(ConnectionError):  # it was killed; its child finds its pipes closed, and ends
        caller.sendall(str(pid).encode())
    caller.close()


def _become(args: Sequence[str], environment: Mapping[str, str], pipes: Sequence[int]) -> None:
    """Be another process from here on."""
    os.setsid()
    for number, each in enumerate(pipes[:3]):
        os.dup2(each, number)
    for each in pipes:
        os.close(each)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        import server.cli
        import server.jobs.local_runner

        runner: Any = server.jobs.local_runner
        runner.subprocess = SimpleNamespace(Popen=Forked, PIPE=subprocess.PIPE)
        command = next(each for each in ("serve", "worker") if each in args)
        code = server.cli.main([command, *args[list(args).index(command) + 1 :]])
    finally:
        sys.stdout.flush()
        os._exit(code)


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with suppress(BrokenPipeError):
            os.write(children[pid], str(os.waitstatus_to_exitcode(status)).encode())
        os.close(children.pop(pid))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _nurse(sys.argv[1])
