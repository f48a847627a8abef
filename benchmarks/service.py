"""A server of its own for a benchmark: SQLite in a temporary folder, one worker, a free port."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import castorch

HERE = Path(__file__).parent
READY_S = 300.0


@contextmanager
def running_server(folder: Path) -> Iterator[castorch.Session]:
    """Start a server, yield the default session of its only user, and stop it."""
    with started_server(folder) as url, castorch.connect(url) as client:
        yield client.session()


@contextmanager
def started_server(folder: Path) -> Iterator[str]:
    """Start a server, yield its address, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(exist_ok=True)
    castorch_command = Path(sys.executable).with_name("castorch")
    command = [castorch_command, "serve", "--port", str(port), "--workers", "1"]
    command += ["--database", f"sqlite:///{folder / 'bench.db'}", "--data", str(folder / "data")]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=1)  # noqa: S310 - loopback
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start")


def wait_for_worker(url: str) -> None:
    """Return when the only worker of a server is warm."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310 - loopback
            if json.load(answer)["workers"]["ready"] == 1:
                return
        time.sleep(0.1)
    raise SystemExit("the worker did not start")


def worker_pid() -> int:
    """Return the process of the only worker of the server that this process has started."""
    mine = os.getpid()
    found = [each for each in _processes() if _parent(_parent(each)) == mine and _is_worker(each)]
    if len(found) != 1:
        raise SystemExit(f"the server has {len(found)} workers, expected one")
    return found[0]


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _is_worker(pid: int) -> bool:
    return b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def report(name: str, ours: list[float], theirs: list[float], rows: int) -> None:
    """Print rates and, last, the median of the pairwise throughput ratios; keep them as JSON."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    result = {
        "benchmark": name,
        "ours_per_s": rows / median(ours),
        "peer_per_s": rows / median(theirs),
        "ratio": median(ratios),
        "ratios": ratios,
        "date": time.strftime("%Y-%m-%d"),
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1))
    print(
        f"{name}: ours {result['ours_per_s']:.0f}/s, peer {result['peer_per_s']:.0f}/s, "
        f"ratio {result['ratio']:.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})",
        flush=True,
    )
