"""The write-ahead log of SQLite: copied when writing pauses, never by who commits."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Event, Lock, Timer
from time import monotonic, sleep

import pytest

from server.store import wal
from server.store.wal import WriteAheadLog

WAIT_S = 30.0


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
    opened.execute("PRAGMA journal_mode = WAL")
    opened.execute("PRAGMA wal_autocheckpoint = 0")
    opened.execute("CREATE TABLE t (body BLOB)")
    return opened


def watched(
    tmp_path: Path, connect: Callable[[], AbstractContextManager[sqlite3.Connection]]
) -> WriteAheadLog:
    return WriteAheadLog(tmp_path / "a.db", connect, Lock())


def eventually(holds: Callable[[], bool]) -> bool:
    end = monotonic() + WAIT_S
    while not holds() and monotonic() < end:
        sleep(0.02)
    return holds()


def copied_bytes(tmp_path: Path) -> int:
    return (tmp_path / "a.db").stat().st_size


def test_a_long_log_is_copied_once_writing_pauses(
    tmp_path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "KEPT_BYTES", 100_000)
    log = watched(tmp_path, lambda: nullcontext(connection))
    connection.execute("INSERT INTO t VALUES (zeroblob(50000))")
    log.committed()
    assert copied_bytes(tmp_path) < 50_000

    connection.execute("INSERT INTO t VALUES (zeroblob(500000))")
    log.committed()

    assert eventually(lambda: copied_bytes(tmp_path) > 500_000)
    log.close()
    log.close()


def test_a_very_long_log_is_copied_to_its_end_while_it_grows(
    tmp_path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KEPT_BYTES", "MOST_BYTES"):
        monkeypatch.setattr(wal, name, 100_000)
    monkeypatch.setattr(wal, "PAUSE_BYTES", -1)  # never taken for a pause
    log = watched(tmp_path, lambda: nullcontext(connection))

    connection.execute("INSERT INTO t VALUES (zeroblob(500000))")
    log.committed()

    assert eventually(lambda: copied_bytes(tmp_path) > 500_000)
    log.close()


def test_a_copy_that_fails_is_tried_again_after_the_next_commit(
    tmp_path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "KEPT_BYTES", 100_000)
    tries: list[int] = []

    def connect() -> AbstractContextManager[sqlite3.Connection]:
        tries.append(1)
        if len(tries) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        return nullcontext(connection)

    log = watched(tmp_path, connect)
    connection.execute("INSERT INTO t VALUES (zeroblob(500000))")
    log.committed()
    assert eventually(lambda: len(tries) == 1)

    def again() -> bool:
        log.committed()
        return copied_bytes(tmp_path) > 500_000

    assert eventually(again)
    log.close()


def test_closing_while_a_copy_is_made_waits_for_it_and_no_longer(
    tmp_path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "KEPT_BYTES", 100_000)
    begun, goes_on = Event(), Event()

    def connect() -> AbstractContextManager[sqlite3.Connection]:
        begun.set()
        goes_on.wait(WAIT_S)
        return nullcontext(connection)

    log = watched(tmp_path, connect)
    connection.execute("INSERT INTO t VALUES (zeroblob(500000))")
    log.committed()
    assert begun.wait(WAIT_S)
    Timer(0.2, goes_on.set).start()

    start = monotonic()
    log.close()

    assert monotonic() - start < wal.CLOSE_S / 2
    assert copied_bytes(tmp_path) > 500_000


def test_a_database_without_a_log_has_one_of_no_length(tmp_path: Path) -> None:
    log = watched(tmp_path, lambda: nullcontext(sqlite3.connect(":memory:")))

    assert log.size() == 0
    log.committed()
    log.close()
    log.committed()
