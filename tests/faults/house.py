"""A server that is hit while it works, and what must be left of it.

A trial lets a client train while another keeps making tables and models, and brings one or two
faults at random moments. Afterwards the client has its result, bit by bit that of the training
nobody disturbed; everything that was acknowledged is there; and no job is queued or running.
"""

import logging
import os
import random
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import psycopg

import castorch
from actions.job_ports import FINAL_STATES
from actions.ports import Name
from server.store import SqlStores
from tests.faults.forking import ADDRESS, Forked, start_nursery
from tests.journeys.conftest import environment

LOG = logging.getLogger(__name__)

PATIENCE_S = 180.0
ROWS = 256
MODEL = {
    "model": "net",
    "type": "DNN",
    "layers": [
        {"name": "data", "layer": {"type": "input", "std": "STD"}},
        {"name": "fc1", "layer": {"type": "fc", "n": 8}},
        {"name": "bn1", "layer": {"type": "batchnorm"}},
        {"name": "out", "layer": {"type": "output", "n": 2}},
    ],
}
TRAIN: dict[str, Any] = {
    "table": "points",
    "model": "net",
    "inputs": ["x", "y"],
    "target": "label",
    "seed": 4,
    "record_seed": 9,
    "optimizer": {
        "algorithm": {"method": "ADAM", "learningRate": 0.01},
        "miniBatchSize": 8,
        "maxEpochs": 16,
        "dropout": 0.2,
        "snapshotFreq": 8,
    },
}
SETTINGS = {
    "CASTORCH_CHECKPOINT_S": "0.05",
    "CASTORCH_HEARTBEAT_S": "0.2",
    "CASTORCH_JOB_LEASE_S": "5",
    "CASTORCH_POLL_S": "0.1",
    "CASTORCH_STOP_GRACE_S": "0.5",
}


@dataclass
class Toll:
    """What the faults have cost."""

    runs: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    attempts: int = 0
    acknowledged: int = 0
    faults: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.runs} runs, {self.attempts} attempts of their trainings, faults: {faults}; "
            f"{self.acknowledged} objects acknowledged, {len(self.lost)} lost; "
            f"{len(self.stuck)} jobs stuck; {len(self.changed)} results changed"
        )


class House:
    """A server on one port, its database, and the ways to hit them."""

    def __init__(self, folder: Path, database: str, toggle: Callable[[], None] | None) -> None:
        self.folder = folder
        self.database = database
        self._toggle = toggle
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Forked | None = None
        nursery = folder / "nursery"
        self._environment = environment() | SETTINGS | {ADDRESS: str(nursery)}
        self._nursery = start_nursery(nursery, self._environment)
        self.stores = SqlStores.open(database, data=folder / "data")

    def start(self) -> None:
        """Start the server, and return when it answers."""
        command = ["serve", "--port", str(self.port), "--database", self.database]
        places = ["--data", str(self.folder / "data")]
        with (self.folder / "server.log").open("a") as log:
            self.process = Forked([*command, *places], stderr=log.fileno(), env=self._environment)
        assert b" serves " in self.process.stdout.readline()

    def end(self, number: signal.Signals) -> None:
        """Send the server a signal, and return when it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self) -> None:
        """Kill what runs."""
        workers = self.workers()
        self.end(signal.SIGKILL)
        for pid in workers:
            _kill(pid)
        self._nursery.kill()
        self._nursery.wait()
        self.stores.close()

    def workers(self) -> list[int]:
        """Return the process ids of the workers: what the nursery forked besides the server."""
        assert self.process is not None
        children = Path(f"/proc/{self._nursery.pid}/task").glob("*/children")
        pids = [int(pid) for each in children for pid in each.read_text().split()]
        return [pid for pid in pids if pid != self.process.pid]

    # the faults

    def worker(self, dice: random.Random) -> None:
        """Kill the worker."""
        del dice
        for pid in self.workers():
            _kill(pid)

    def server(self, dice: random.Random) -> None:
        """Kill the server; its worker goes on alone for a while."""
        self.end(signal.SIGKILL)
        time.sleep(dice.uniform(0, 0.5))
        self.start()

    def stop(self, dice: random.Random) -> None:
        """Ask the server to stop."""
        self.end(signal.SIGTERM)
        time.sleep(dice.uniform(0, 0.5))
        self.start()

    def both(self, dice: random.Random) -> None:
        """Kill the server and its worker, as a power cut does."""
        workers = self.workers()
        self.end(signal.SIGKILL)
        for pid in workers:
            _kill(pid)
        time.sleep(dice.uniform(0, 0.5))
        self.start()

    def connections(self, dice: random.Random) -> None:
        """Break the connections to the database; in SQLite, which has none, lock it for a while."""
        if self._toggle is None:
            with closing(sqlite3.connect(self._file, isolation_level=None)) as other:
                other.execute("PRAGMA busy_timeout = 60000")
                other.execute("BEGIN IMMEDIATE")
                time.sleep(dice.uniform(0.1, 2.0))
            return
        for _ in range(3):
            with psycopg.connect(self.database, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            time.sleep(dice.uniform(0, 0.1))

    def away(self, dice: random.Random) -> None:
        """Take the database away for a while."""
        self._take_away(dice.uniform(0.1, 2.0))

    def minute(self, dice: random.Random) -> None:
        """Take the database away for a minute."""
        del dice
        self._take_away(60.0)

    def _take_away(self, seconds: float) -> None:
        """Stop PostgreSQL, or move the SQLite file, and bring it back."""
        if self._toggle is not None:
            self._toggle()
            time.sleep(seconds)
            self._toggle()
            return
        hidden = self._file.with_suffix(".away")
        self._file.rename(hidden)
        time.sleep(seconds)
        hidden.rename(self._file)

    @property
    def _file(self) -> Path:
        return Path(self.database.removeprefix("sqlite:///"))

    # what is left

    def numbers(self, name: str) -> bytes:
        """Return a weight table, bit by bit."""
        weights = self.stores.for_session(self.stores.sessions.default("local")).weights
        info, _ = weights.load(Name(name))
        return b"".join(chunk.values.tobytes() for chunk in weights.chunks(info))

    def catalogue(self) -> dict[str, int]:
        """Return the tables by their names, with their rows."""
        tables = self.stores.for_session(self.stores.sessions.default("local")).tables
        return {table.name: table.rows for table in tables.list()}

    def unfinished(self) -> list[str]:
        """Return the jobs that are queued or running, after some time to end."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            jobs = self.stores.jobs.list("local", limit=1000)
            left = [job.id for job in jobs if job.state not in FINAL_STATES]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.05)


FAULTS = ("worker", "server", "stop", "both", "connections", "away")
"""What is drawn from."""


class Trials:
    """Runs of training under faults, and their toll."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.dice = random.Random(seed)  # noqa: S311 - faults need no secrecy
        self.toll = Toll()
        self.made: dict[str, int] = {}
        x, y = np.random.default_rng(1).normal(size=(2, ROWS))
        label = np.where(x * y > 0, "in", "out").tolist()
        with castorch.connect(house.url) as client:
            session = client.session()
            session.upload("points", {"x": x, "y": y, "label": label})
            session.declare(MODEL)
            session.run("deepLearn.dlTrain", **TRAIN, model_weights="warm")
            began = time.monotonic()
            session.run("deepLearn.dlTrain", **TRAIN, model_weights="whole")
            self.seconds = time.monotonic() - began
        self.whole = {suffix: house.numbers(f"whole{suffix}") for suffix in ("", "_8", "_16")}

    def run(self, faults: tuple[str, ...] = ()) -> None:
        """Train once under faults: those given while it runs, else some by chance at any time."""
        number = self.toll.runs
        self.toll.runs += 1
        drawn = self.dice.choices(FAULTS, k=self.dice.choice((1, 1, 2)))
        name = f"w{number}"
        answers: list[Any] = []
        ended = Event()

        client = castorch.connect(self.house.url)  # it asks once whether the server is there

        def train() -> None:
            try:
                session = client.session()
                answers.append(session.run("deepLearn.dlTrain", **TRAIN, model_weights=name))
            except castorch.CastorchError as error:
                answers.append(error)
            client.close()
            ended.set()

        threads = [Thread(target=train), Thread(target=self._make, args=(number, ended))]
        for thread in threads:
            thread.start()
        for fault in faults or drawn:
            if faults:
                self._until_running()
            else:
                ended.wait(self.dice.uniform(0, self.seconds))
            self._hit(fault)
        for thread in threads:
            thread.join(PATIENCE_S)
        self._account(name, answers[0] if answers else "no answer")

        LOG.info("%s", self.toll)

    def _hit(self, fault: str) -> None:
        if fault in (
            "away",
            "minute",
        ):  # a worker that starts while the file is away would make another
            self._until_ready()
        self.toll.faults[fault] = self.toll.faults.get(fault, 0) + 1
        getattr(self.house, fault)(self.dice)

    def _until_running(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.house.stores.jobs.list("local", limit=1)[0].state != "running":
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def _until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with castorch.connect(self.house.url) as client:
            while client._get("/readyz")["workers"] != {"ready": 1, "of": 1}:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def _make(self, number: int, ended: Event) -> None:
        """Make tables and models until the training has ended; note what was acknowledged."""
        count = 0
        while not ended.wait(0.5):
            count += 1
            table, model = f"t{number}_{count}", f"m{number}_{count}"
            try:
                with castorch.connect(self.house.url) as client:
                    session = client.session()
                    session.upload(table, {"n": list(range(count))})
                    self.made[table] = count
                    session.declare({**MODEL, "model": model})
                    self.made[model] = -1
            except castorch.CastorchError:
                continue

    def _account(self, name: str, answer: object) -> None:
        toll, house = self.toll, self.house
        with closing(SqlStores.open(house.database, data=house.folder / "data")) as stores:
            house.stores.close()
            house.stores = stores
            toll.stuck += house.unfinished()
            there = house.catalogue()
            for made, rows in self.made.items():
                if there.get(made) is None or rows not in (-1, there[made]):
                    toll.lost.append(made)
            toll.acknowledged = len(self.made)
            if not isinstance(answer, castorch.Result):
                toll.changed.append(f"{name}: {answer!r}")
                return
            toll.attempts += house.stores.jobs.find(str(answer.job), "local").attempt
            for suffix, whole in self.whole.items():
                if house.numbers(name + suffix) != whole:
                    toll.changed.append(name + suffix)


@contextmanager
def trials(
    folder: Path, database: str, seed: int, toggle: Callable[[], None] | None = None
) -> Iterator[Trials]:
    """Start a server, and give trials of it."""
    house = House(folder, database, toggle)
    house.start()
    try:
        yield Trials(house, seed)
    finally:
        house.close()


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
