"""What survives when processes die, and how large a file may be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from tests.journeys.conftest import environment

PATIENCE_S = 120.0
FILE_MIB = 300
GROWTH_MIB = 250
"""What reading a file may add to the server's memory, whatever the file's length."""

POINTS = "x,y,label\n" + "".join(f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(40))
TRAIN: dict[str, Any] = {
    "model": "net",
    "table": "points",
    "inputs": ["x", "y"],
    "target": "label",
    "nominals": ["label"],
}


class Server:
    """A server in a process of its own, over one folder."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "castorch", "serve", "--port", "0"]
        with (folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own server
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=environment(),
            )
        assert self.process.stdout is not None
        url = self.process.stdout.readline().split()[-1]
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False)

    def act(self, action: str, prefer: str = "wait", **params: Any) -> dict[str, Any]:
        answer = self.http.post(f"/v1/actions/{action}", json=params, headers={"Prefer": prefer})
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def put(self, name: str, content: Iterator[bytes] | str) -> httpx.Response:
        return self.http.put(f"/v1/tables/{name}", content=content, params={"fileType": "csv"})

    def scores(self, name: str) -> list[list[Any]]:
        self.act(
            "deepLearn.dlScore", model="net", table="points", initWeights="weights", casOut=name
        )
        rows: list[list[Any]] = self.http.get(f"/v1/tables/{name}/rows").json()["rows"]
        return rows

    def names(self) -> list[str]:
        return [each["name"] for each in self.http.get("/v1/tables").json()["tables"]]

    def resident_mib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) >> 10

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.http.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Start a server over the test's folder; killed after the test."""
    started: list[Server] = []

    def another() -> Server:
        started.append(Server(tmp_path))
        return started[-1]

    yield another
    for each in started:
        each.kill()


def trained(server: Server) -> None:
    """Make a table, a model and its weights."""
    layers = [
        {"name": "data", "layer": {"type": "input", "std": "STD"}},
        {"name": "fc1", "layer": {"type": "fc", "n": 5}, "srcLayers": ["data"]},
        {"name": "out", "layer": {"type": "output", "n": 2}, "srcLayers": ["fc1"]},
    ]
    server.act("castorch.declareModel", model="net", type="DNN", layers=layers)
    assert server.put("points", POINTS).is_success
    server.act("deepLearn.dlTrain", **TRAIN, modelWeights="weights")


@pytest.mark.slow
def test_a_server_killed_in_training_and_upload_loses_nothing_that_was_answered(
    start: Callable[[], Server],
) -> None:
    first = start()
    trained(first)
    scores, names = first.scores("before"), first.names()
    endless = {"maxEpochs": 1_000_000, "miniBatchSize": 10}
    job = first.act(
        "deepLearn.dlTrain", "respond-async", **TRAIN, modelWeights="torn", optimizer=endless
    )["job"]["id"]
    sending = Event()

    def rows() -> Iterator[bytes]:
        yield b"a,b\n"
        while True:
            yield b"1,2\n" * 100_000
            sending.set()

    def upload() -> None:
        with pytest.raises(httpx.TransportError):
            first.put("torn_table", rows())

    sender = Thread(target=upload)
    sender.start()
    assert sending.wait(PATIENCE_S)
    os.kill(first.process.pid, signal.SIGKILL)
    sender.join()

    second = start()
    second.http.delete(f"/v1/jobs/{job}")
    deadline = time.monotonic() + PATIENCE_S
    while second.http.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert second.names() == names
    assert second.scores("after") == scores


@pytest.mark.slow
def test_a_long_file_is_uploaded_in_constant_memory(start: Callable[[], Server]) -> None:
    server = start()
    block = b"".join(b"%d,%.6f,word%d\n" % (i, i / 7, i % 1000) for i in range(50_000))
    blocks = (FILE_MIB << 20) // len(block)
    server.put("small", "i,x,w\n" + block.decode())
    before, peak, done = server.resident_mib(), 0, Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, server.resident_mib())

    def rows() -> Iterator[bytes]:
        yield b"i,x,w\n"
        for _ in range(blocks):
            yield block

    watcher = Thread(target=watch)
    watcher.start()
    answer = server.put("long", rows())
    done.set()
    watcher.join()

    assert answer.json()["tables"]["OutputCasTables"]["rows"][0][2] == 50_000 * blocks
    assert peak - before < GROWTH_MIB
