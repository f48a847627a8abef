"""Programs that take turns: each measures one window when it is told to, and lies still otherwise.

A peer is a process that reads a line and answers with a line of JSON; between its turns it is
stopped, so that threads that spin for work take no time from the others.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Self

HERE = Path(__file__).parent
HOUSE = HERE.parent

KEEP = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 46),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""Tells glibc to keep the memory it has: read when a process starts, before torch allocates."""

SPIN = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "infinite"}
"""Tells OpenMP's threads to spin between two regions."""

Answer = dict[str, Any]


class Peer:
    """A program that measures one window a turn, in a process of its own."""

    def __init__(
        self,
        script: str,
        settings: Mapping[str, object],
        *,
        environment: Mapping[str, str] | None = None,
        venv: str | None = None,
    ) -> None:
        """Start it and wait until it has loaded its data and warmed up.

        Args:
            script: its name in this folder.
            settings: its one argument, as JSON.
            environment: variables beside those of this process.
            venv: its environment of packages; None: the project's own.
        """
        python = sys.executable if venv is None else str(HOUSE / venv / "bin" / "python")
        threads = str(settings["threads"])
        self.name = str(settings["name"])
        self.process = subprocess.Popen(
            [python, str(HERE / script), json.dumps(settings, default=str)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if venv else None,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": threads,
                "MKL_NUM_THREADS": threads,
                **(environment or {}),
            },
        )
        self.ready = self._answer()
        self.process.send_signal(signal.SIGSTOP)

    def turn(self) -> Answer:
        """Let it measure one window, and return what it says."""
        self.process.send_signal(signal.SIGCONT)
        assert self.process.stdin is not None  # noqa: S101 - asked for
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _answer(self) -> Answer:
        assert self.process.stdout is not None  # noqa: S101 - asked for
        for line in self.process.stdout:
            if line.startswith("{"):
                answer: Answer = json.loads(line)
                return answer
        said = self.process.stderr.read() if self.process.stderr else ""
        raise SystemExit(f"{self.name} ended with code {self.process.wait()}\n{said[-2000:]}")


def serve_turns(ready: Answer, turn: Callable[[], Answer]) -> None:
    """Be a peer: say what the warm-up gave, then measure a window for every line read."""
    print(json.dumps(ready), flush=True)
    for _ in sys.stdin:
        print(json.dumps({**turn(), "peak_mb": peak_mb()}), flush=True)


def settings() -> dict[str, Any]:
    """Return the settings this process was started with."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def peak_mb(pid: int | str = "self") -> float:
    """Return the most memory a process has held, in MB of 10^6 bytes.

    Source: proc_pid_status(5), VmHWM.
    """
    return status_mb("VmHWM", pid)


def status_mb(field: str, pid: int | str = "self") -> float:
    """Return what the system says of a process's memory, in MB of 10^6 bytes.

    Source: proc_pid_status(5).
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def is_installed(venv: str, *modules: str) -> bool:
    """Return whether an environment of packages exists and has some modules."""
    python = HOUSE / venv / "bin" / "python"
    code = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    if not python.exists():
        return False
    return not subprocess.run([python, "-c", code, *modules], check=False).returncode


@contextmanager
def opened(makers: Mapping[str, Callable[[], Peer]]) -> Iterator[dict[str, Peer]]:
    """Start peers one after the other, and end them all."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(make()) for name, make in makers.items()}


def keep(name: str, result: Mapping[str, Any]) -> None:
    """Write a result as JSON, with its date."""
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    dated = {"benchmark": name, "date": time.strftime("%Y-%m-%d %H:%M"), **result}
    (folder / f"{name}.json").write_text(json.dumps(dated, indent=1))


def report(name: str, ours: list[float], peers: Mapping[str, list[float]], **more: Any) -> None:
    """Print rates, and on the last line the medians of the pairwise ratios; keep them as JSON.

    Args:
        name: of the workload.
        ours: rows a second of each of our windows.
        peers: those of each peer, window by window.
        more: what else to keep.
    """
    ratios = {
        peer: [mine / theirs for mine, theirs in zip(ours, rates, strict=False)]
        for peer, rates in peers.items()
    }
    print(f"{name}: ours {median(ours):.1f}/s (median of {len(ours)} windows)")
    for peer, rates in peers.items():
        spread = f"ratios {min(ratios[peer]):.2f} to {max(ratios[peer]):.2f}"
        print(f"  {peer:<12} {median(rates):10.1f}/s, {spread}")
    said = ", ".join(f"{median(each):.2f} {peer}" for peer, each in ratios.items())
    print(f"{name}: ours / peer = {said}", flush=True)
    rates = {"ours": ours, **peers}
    medians = {peer: median(each) for peer, each in ratios.items()}
    keep(name, {"per_s": rates, "ratios": ratios, "ratio": medians, **more})
