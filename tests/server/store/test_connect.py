import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, event, text  # noqa: TID251 - the tests reach below

from actions.errors import InvalidParameters, StoreFull, StoreUnavailable
from actions.ports import Name, Output, WeightsHeader
from engine.graph.spec import Graph
from engine.weights import Chunk, SegmentSpec
from server.store import SqlStores, open_database
from tests.conftest import HandClock, OpenStores, running_postgres

LOCKED = r"^the database is locked by another process; try again$"
AWAY = r"^the database cannot be reached; try again later$"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/name", r"^the database URL got 'mysql', expected 'sqlite' or 'postgresql'$"),
        (
            "no url",
            (
                r"^the database URL cannot be read, "
                r"expected sqlite:///file or postgresql://host/name$"
            ),
        ),
        ("sqlite://", r"^the database URL names no file, expected sqlite:///file$"),
        ("sqlite:///:memory:", r"^the database URL names no file, expected sqlite:///file$"),
    ],
)
def test_other_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        open_database(url)


def test_a_file_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        StoreUnavailable,
        match=r"^the database file cannot be used: unable to open database file$",
    ):
        open_database(f"sqlite:///{tmp_path}/none/store.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"x" * 4096)

    with pytest.raises(
        StoreUnavailable, match=r"^the database file cannot be used: file is not a database$"
    ):
        open_database(f"sqlite:///{tmp_path}/store.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_an_absent_server_is_reported(scheme: str) -> None:
    with pytest.raises(StoreUnavailable, match=AWAY):
        open_database(f"{scheme}://nobody@127.0.0.1:1/none")


def test_a_new_file_has_large_pages_and_a_write_ahead_log(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/store.db")

    with database.read() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "page_size")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "page_size": 65536}


@pytest.mark.parametrize(("relaxed", "level"), [(False, 2), (True, 1)])
def test_only_relaxed_commits_may_wait_for_the_disk(
    tmp_path: Path, *, relaxed: bool, level: int
) -> None:
    database = open_database(f"sqlite:///{tmp_path}/store.db")

    with database.write(relaxed=relaxed) as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == level
    database.close()


def test_readers_do_not_wait_for_a_writer(open_stores: OpenStores) -> None:
    stores = open_stores()
    session = stores.sessions.default("ann")

    with stores.database.write() as connection:
        connection.execute(text("UPDATE sessions SET name = 'changed'"))
        assert stores.sessions.default("ann") == session
        assert open_stores().sessions.default("ann") == session


def test_a_second_writer_of_a_process_gives_up_after_the_time_out(sqlite_url: str) -> None:
    database = open_database(sqlite_url, busy_timeout_s=0.01)

    with (
        database.write(),
        pytest.raises(StoreUnavailable, match=LOCKED),
        database.write(),
    ):
        pass
    with database.write() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_a_file_locked_by_another_process_is_reported(sqlite_url: str, tmp_path: Path) -> None:
    stores = SqlStores.open(sqlite_url, data=tmp_path, busy_timeout_s=0.01)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=LOCKED):
            stores.sessions.create("ann", "late")
        assert stores.sessions.list("ann") == []

    assert stores.sessions.create("ann", "in time").name == "in time"
    stores.close()


def test_a_session_is_found_at_once_while_another_process_writes(
    sqlite_url: str, tmp_path: Path, clock: HandClock
) -> None:
    stores = SqlStores.open(sqlite_url, data=tmp_path, busy_timeout_s=600.0, clock=clock)
    made = stores.sessions.create("ann", "first")
    clock.advance(3600.0)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert stores.sessions.find(made.id, "ann") == made

    assert stores.sessions.find(made.id, "ann").used == clock.moment
    stores.close()


def test_a_file_that_was_removed_or_exchanged_is_reported(sqlite_url: str, tmp_path: Path) -> None:
    stores = SqlStores.open(sqlite_url, data=tmp_path)
    stores.sessions.create("ann", "first")
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    kept = file.rename(tmp_path / "kept.db")

    gone = r"^the database file cannot be used: No such file or directory$"
    with pytest.raises(StoreUnavailable, match=gone):
        stores.sessions.create("ann", "lost")
    with pytest.raises(StoreUnavailable, match=gone):
        stores.sessions.list("ann")
    assert not file.exists()
    file.touch()
    other = r"^the database file cannot be used: it is not the file that was opened$"
    with pytest.raises(StoreUnavailable, match=other):
        stores.sessions.list("ann")

    kept.rename(file)
    assert [each.name for each in stores.sessions.list("ann")] == ["first"]
    stores.close()


def test_a_new_file_that_another_process_holds_is_reported(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match=LOCKED):
            open_database(f"sqlite:///{tmp_path}/store.db", busy_timeout_s=0.05)


@pytest.mark.postgres
def test_rows_locked_by_another_client_are_reported(postgres_url: str, tmp_path: Path) -> None:
    stores = SqlStores.open(postgres_url, data=tmp_path, busy_timeout_s=0.05)
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE sessions IN EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match=LOCKED):
            stores.sessions.create("ann", "late")

    assert stores.sessions.create("ann", "in time").name == "in time"
    stores.close()


def cut_in_mid_transaction(stores: SqlStores, other: psycopg.Connection) -> None:
    with stores.database.write() as connection:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(text("SELECT 1"))


@pytest.mark.postgres
def test_a_connection_that_was_cut_is_made_again(postgres_url: str, tmp_path: Path) -> None:
    stores = SqlStores.open(postgres_url, data=tmp_path)
    with psycopg.connect(postgres_url) as other, pytest.raises(StoreUnavailable, match=AWAY):
        cut_in_mid_transaction(stores, other)

    stores.ping()
    assert stores.sessions.create("ann", "again").name == "again"
    stores.close()


@pytest.mark.postgres
@pytest.mark.slow
def test_a_server_that_goes_away_is_reported_and_found_again(tmp_path: Path) -> None:
    with running_postgres() as (url, toggle):
        stores = SqlStores.open(url, data=tmp_path)
        session = stores.sessions.default("ann")

        toggle()
        with pytest.raises(StoreUnavailable, match=AWAY):
            stores.ping()
        with pytest.raises(StoreUnavailable, match=AWAY):
            stores.sessions.create("ann", "x")

        toggle()
        assert stores.sessions.default("ann") == session
        stores.close()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let SQLite files grow to 80 pages of 64 KiB, about 5 MiB."""

    def limit(connection: sqlite3.Connection, record: object) -> None:
        del record
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA max_page_count = 80")

    event.listen(Engine, "connect", limit)
    yield
    event.remove(Engine, "connect", limit)


def test_a_full_disk_is_reported_and_loses_nothing(
    small_disk: None, sqlite_url: str, tmp_path: Path
) -> None:
    del small_disk
    stores = SqlStores.open(sqlite_url, data=tmp_path)
    mine = stores.for_session(stores.sessions.default("ann"))
    mine.models.create(Output(Name("net")), Graph("net"))
    numpy = pytest.importorskip("numpy")
    spec = SegmentSpec(0, "weights", "weight", (4 << 20,), 0, 0)
    chunk = Chunk(spec, 0, numpy.zeros(4 << 20, numpy.float32))  # 16 MiB

    with (
        pytest.raises(StoreFull, match=r"^the database or disk is full$"),
        mine.weights.stage(WeightsHeader([spec]), iter([chunk])),
    ):
        pass

    assert [table.name for table in mine.tables.list()] == ["net"]
    stores.collect_garbage(lease_s=-1)
    mine.models.create(Output(Name("second")), Graph("second"))
    stores.close()
