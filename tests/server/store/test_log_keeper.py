import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import enumerate as all_threads
from time import monotonic, sleep

import pytest
from sqlalchemy import text  # noqa: TID251 - the tests reach below

from actions.errors import StoreUnavailable
from actions.ports import Name
from server.store import SqlStores, log_keeper, open_database
from server.store.connect import Database
from server.store.log_keeper import LogKeeper

MIB = 1 << 20
GONE = "no checkpoint of the database: the database file cannot be used: No such file or directory"
PATIENCE_S = 60.0
"""How long a thread may take on a machine that is busy with other work."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database file whose log is long from 1 MiB on."""
    monkeypatch.setattr(log_keeper, "LONG_BYTES", MIB)
    return tmp_path / "store.db"


def opened(file: Path) -> Database:
    database = open_database(f"sqlite:///{file}")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS t (body BLOB)"))
    return database


def fill(database: Database, megabytes: int) -> None:
    for _ in range(megabytes):
        with database.write(relaxed=True) as connection:
            connection.execute(text("INSERT INTO t VALUES (zeroblob(1048576))"))


def rows(database: Database) -> int:
    with database.read() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM t")).scalar_one()
    return count


def log_bytes(file: Path) -> int:
    return file.with_name("store.db-wal").stat().st_size


def until(is_so: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE_S
    while not is_so():
        assert monotonic() < deadline
        sleep(0.001)


def keepers() -> list[str]:
    return [each.name for each in all_threads() if each.name == "castorch-log"]


def test_a_long_log_is_copied_into_the_file_and_cut(file: Path) -> None:
    database = opened(file)
    fill(database, 20)

    until(lambda: log_bytes(file) == 0)

    assert file.stat().st_size > 20 * MIB
    assert rows(database) == 20
    until(lambda: keepers() == [])
    database.close()


def test_a_short_log_is_left_alone(file: Path) -> None:
    database = opened(file)

    assert 0 < log_bytes(file) < MIB
    assert keepers() == []
    database.close()


def test_a_log_is_cut_when_its_last_reader_has_left(file: Path) -> None:
    database = opened(file)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
        fill(database, 4)
        until(lambda: file.stat().st_size > 0 and keepers() == ["castorch-log"])
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
        assert log_bytes(file) > 4 * MIB

    until(lambda: log_bytes(file) == 0)
    assert rows(database) == 4
    database.close()


def test_two_databases_over_one_file_share_its_log(file: Path) -> None:
    first, second = opened(file), opened(file)
    for _ in range(5):
        fill(first, 2)
        fill(second, 2)

    until(lambda: log_bytes(file) == 0)

    assert rows(first) == rows(second) == 20
    first.close()
    assert rows(second) == 20
    second.close()


def test_a_commit_bounds_the_log_where_no_thread_does(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_keeper, "LONG_BYTES", 1 << 40)
    monkeypatch.setattr(log_keeper, "LIMIT_BYTES", 4 * MIB)
    database = opened(file)
    longest = 0
    for _ in range(30):
        fill(database, 1)
        longest = max(longest, log_bytes(file))

    assert 4 * MIB <= longest < 6 * MIB  # the limit, and a transaction
    assert rows(database) == 30
    database.close()


@pytest.fixture
def long_log(file: Path) -> Iterator[None]:
    """Leave a log of 2 MiB beside the file, which a connection keeps open."""
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t AS SELECT zeroblob(2097152) AS body")
        writer.commit()
        yield


@pytest.mark.usefixtures("long_log")
def test_checkpoints_that_fail_are_reported_and_tried_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [StoreUnavailable("it is away"), sqlite3.OperationalError("disk I/O error")]

    def check() -> None:
        if failures:
            raise failures.pop(0)

    keeper = LogKeeper(file, check, retry_s=0.0)
    keeper.committed()
    until(lambda: log_bytes(file) == 0)
    keeper.close()

    assert [record.getMessage() for record in caplog.records] == [
        "no checkpoint of the database: it is away",
        "no checkpoint of the database: disk I/O error",
    ]


def test_a_file_that_is_gone_is_not_made_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = opened(file)
    with database.read() as connection:  # keeps the log long
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
        fill(database, 2)
        kept = file.rename(file.with_name("kept.db"))
        until(lambda: GONE in caplog.messages)
        assert not file.exists()
        kept.rename(file)

    database.close()

    database = open_database(f"sqlite:///{file}")
    assert rows(database) == 2
    database.close()


@pytest.mark.usefixtures("long_log")
def test_closing_stops_the_thread_and_none_follows(file: Path) -> None:
    def check() -> None:
        raise StoreUnavailable("it is away")

    keeper = LogKeeper(file, check, retry_s=3600.0)
    keeper.committed()
    assert keepers() == ["castorch-log"]

    keeper.close()
    keeper.close()

    assert keepers() == []
    keeper.committed()
    assert keepers() == []


def test_a_database_that_is_closed_leaves_one_file(file: Path) -> None:
    database = opened(file)
    fill(database, 8)

    database.close()

    assert [each.name for each in file.parent.iterdir()] == ["store.db"]


def test_small_commits_write_over_a_short_log(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_keeper, "SHORT_BYTES", MIB)
    monkeypatch.setattr(log_keeper, "LONG_BYTES", 4 * MIB)
    database = opened(file)
    longest = 0
    for _ in range(200):
        with database.write() as connection:
            connection.execute(text("INSERT INTO t VALUES ('small')"))
        longest = max(longest, log_bytes(file))

    assert MIB <= longest < 2 * MIB
    assert log_bytes(file) == longest  # neither cut nor longer
    assert keepers() == []
    database.close()


KILLED = """
import sys
from pathlib import Path
import numpy as np
from actions.ports import Name, Output, WeightsHeader
from engine.weights import CHUNK_VALUES, Chunk, SegmentSpec
from server.store import SqlStores

stores = SqlStores.open(sys.argv[1], data=Path(sys.argv[2]))
mine = stores.for_session(stores.sessions.default("ann"))
spec = SegmentSpec(0, "weights", "w", (4 * CHUNK_VALUES,), 0, 0)
number = 0
while True:
    values = np.full(CHUNK_VALUES, number, np.float32)
    chunks = (Chunk(spec, n * CHUNK_VALUES, values) for n in range(4))
    with mine.weights.stage(WeightsHeader([spec]), chunks) as staged:
        mine.tables.publish((staged, Output(Name(f"w{number}"))))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("tables", [5, 8, 13])  # 16 MiB each: before, in and after a checkpoint
def test_a_writer_killed_beside_a_checkpoint_loses_no_table(
    sqlite_url: str, tmp_path: Path, tables: int
) -> None:
    arguments = [sys.executable, "-c", KILLED, sqlite_url, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:  # noqa: S603 - our own
        assert writer.stdout is not None
        for number in range(tables):
            assert writer.stdout.readline() == b"%d\n" % number
        os.kill(writer.pid, signal.SIGKILL)

    stores = SqlStores.open(sqlite_url, data=tmp_path)
    mine = stores.for_session(stores.sessions.default("ann"))
    for number in range(tables):
        table, _ = mine.weights.load(Name(f"w{number}"))
        values = [chunk.values for chunk in mine.weights.chunks(table)]
        assert sum(each.size for each in values) == 4 * MIB
        assert all((each == number).all() for each in values)
    with stores.database.read() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    stores.close()
