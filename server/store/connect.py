"""Opening the database: many readers, one writer, nothing committed is lost.

SQLite runs in WAL mode: readers see a snapshot and wait for nobody. Writers take the lock at the
start of their transaction (``BEGIN IMMEDIATE``), so that none fails half-way; threads of one
process queue at a lock of ours, and processes wait for each other, both up to the time-out. After
much was written a thread copies the log into the file (``log_keeper``).

Durability: a commit survives the death of any process, always. It also survives a power cut, except
in *relaxed* transactions, which are used for staged content and progress events (``synchronous``
NORMAL in place of FULL on SQLite, ``synchronous_commit`` off on PostgreSQL): publication is not
relaxed, and its flush of the log covers all before it.

Source: SQLite documentation, "Write-Ahead Logging" and ``PRAGMA synchronous``; PostgreSQL
documentation, "Asynchronous Commit".
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from os.path import samestat
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event, make_url
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from actions.errors import InvalidParameters, StoreUnavailable
from server.store.log_keeper import LIMIT_BYTES, LogKeeper
from server.store.translate import LOCKED, PRIMARY_CODE, UNUSABLE, translated

Clock = Callable[[], datetime]

PAGE_BYTES = 65536
"""Of a new SQLite file: large pages suit chunks of megabytes."""
CACHE_KIB = 16384
"""Page cache of one SQLite connection."""
CONNECT_TIMEOUT_S = 5
RETRY_S = 0.02
POOL_SIZE = 8
POOL_OVERFLOW = 24

_POSTGRES_READ = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Database:
    """SQLAlchemy's engine, with one way to read and one way to write."""

    def __init__(self, engine: Engine, *, busy_timeout_s: float, clock: Clock) -> None:
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.now = clock
        self._engine = engine
        self._reads = engine if self.is_sqlite else engine.execution_options(**_POSTGRES_READ)
        self._check_file = _file_check(engine) if self.is_sqlite else None
        self._log_keeper = (
            None if self._check_file is None else LogKeeper(_file(engine), self._check_file)
        )
        self._timeout_s = busy_timeout_s
        self._writer = Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read transaction: everything read in it is one snapshot.

        Raises:
            StoreUnavailable: the database is away.
        """
        with translated(), self._reads.connect() as connection, connection.begin():
            if self.is_sqlite:
                self._begin(connection, "BEGIN")
            yield connection

    @contextmanager
    def write(self, *, relaxed: bool = False, waits: bool = True) -> Iterator[Connection]:
        """Open a write transaction; committed at the block's end, rolled back on any error.

        Args:
            relaxed: the commit may be lost by a power cut (never by the death of a process).
            waits: for the lock of another transaction; otherwise SQLite gives up at once.

        Raises:
            StoreFull: the disk is full; nothing was written.
            StoreUnavailable: the database is away, or locked for longer than the time-out.
            Conflict: a concurrent transaction won; nothing was written.
        """
        if not self.is_sqlite:
            with translated(), self._engine.begin() as connection:
                if relaxed:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
                yield connection
            return
        assert self._log_keeper is not None  # noqa: S101 - set for SQLite
        wait_s = self._timeout_s if waits else 0.0
        if not self._writer.acquire(timeout=wait_s):
            raise StoreUnavailable(LOCKED)
        try:
            bound = self._log_keeper.bound(relaxed=relaxed)
            with translated(), self._engine.connect() as connection, connection.begin():
                self._begin(
                    connection,
                    f"PRAGMA busy_timeout = {round(wait_s * 1000)}",
                    f"PRAGMA synchronous = {'NORMAL' if relaxed else 'FULL'}",
                    f"PRAGMA wal_autocheckpoint = {bound // PAGE_BYTES}",
                    "BEGIN IMMEDIATE",
                )
                yield connection
        finally:
            self._writer.release()
        self._log_keeper.committed()

    def _begin(self, connection: Connection, *statements: str) -> None:
        """Begin a transaction of SQLite; by the driver, since SQLAlchemy takes ten times as long.

        An event of SQLAlchemy would do it too, but slow all other statements down.
        """
        assert self._check_file is not None  # noqa: S101 - set for SQLite
        self._check_file()
        driver: Any = connection.connection.driver_connection
        for statement in statements:
            driver.execute(statement)

    def insert_or_keep(self, table: Table) -> Insert:
        """Return an INSERT that leaves a row alone that is there already."""
        if self.is_sqlite:
            return sqlite.insert(table).on_conflict_do_nothing()
        return postgresql.insert(table).on_conflict_do_nothing()

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: it gives none.
        """
        with self.read() as connection:
            connection.execute(sql("SELECT 1"))

    def close(self) -> None:
        """Close all connections; doing it again changes nothing."""
        if self._log_keeper is not None:
            self._log_keeper.close()
        with translated():
            self._engine.dispose()


def open_database(url: str, *, busy_timeout_s: float = 30.0, clock: Clock = utc_now) -> Database:
    """Open an SQLite file or a PostgreSQL database.

    Args:
        url: ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
            ``postgresql://user:password@host/name``.
        busy_timeout_s: how long a transaction waits for the lock of another.
        clock: what the time is; for tests.

    Raises:
        InvalidParameters: the URL is of another kind.
        StoreUnavailable: the database cannot be reached or is no database.
    """
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        engine = _open_sqlite(address, busy_timeout_s)
    else:
        engine = _open_postgres(address, busy_timeout_s)
    database = Database(engine, busy_timeout_s=busy_timeout_s, clock=clock)
    database.ping()
    return database


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise InvalidParameters(
            "the database URL cannot be read, expected sqlite:///file or postgresql://host/name"
        ) from error
    kind = address.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise InvalidParameters(
            f"the database URL got {kind!r}, expected 'sqlite' or 'postgresql'", got=kind
        )
    if not address.database or address.database == ":memory:":
        raise InvalidParameters("the database URL names no file, expected sqlite:///file")
    return address.set(drivername="sqlite")


def _open_postgres(address: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        address,
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"-c lock_timeout={round(busy_timeout_s * 1000)} -c timezone=UTC",
        },
    )
    event.listen(engine, "before_cursor_execute", _choose_format)
    return engine


def _choose_format(*call: Any) -> None:
    """Let PostgreSQL send bytes as they are, and not as hexadecimal text, where it is asked to."""
    _connection, cursor, _statement, _parameters, context, _many = call
    if context is not None and context.execution_options.get("in_bytes", False):
        from psycopg.pq import Format  # SQLite does without it

        cursor.format = Format.BINARY


def _open_sqlite(address: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        address,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_connection)
    with translated():
        _enter_wal(engine, busy_timeout_s)
    return engine


def _file(engine: Engine) -> Path:
    return Path(str(engine.url.database))


def _file_check(engine: Engine) -> Callable[[], None]:
    """Return what refuses all work when the file of a database is gone or another one.

    SQLite would go on in the file nobody can find any more, and make an empty one for the next
    connection.
    """
    path = _file(engine)
    opened = path.stat()

    def check(*ignored: object) -> None:
        del ignored
        try:
            found = path.stat()
        except OSError as error:
            raise StoreUnavailable(UNUSABLE.format(reason=error.strerror)) from error
        if not samestat(found, opened):
            reason = "it is not the file that was opened"
            raise StoreUnavailable(UNUSABLE.format(reason=reason))

    event.listen(engine, "do_connect", check)
    return check


def _prepare_connection(connection: sqlite3.Connection, record: Any) -> None:
    del record
    connection.isolation_level = None  # transactions are begun by Database alone
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit = {LIMIT_BYTES}")


def _enter_wal(engine: Engine, busy_timeout_s: float) -> None:
    """Switch the file to WAL, which lasts; SQLite does not queue processes that do so at once.

    Raises:
        StoreUnavailable: another process holds the file for longer than the time-out.
    """
    deadline = monotonic() + busy_timeout_s
    raw = engine.raw_connection()
    try:
        while not _is_wal(raw.driver_connection):
            if monotonic() >= deadline:
                raise StoreUnavailable(LOCKED)
            sleep(RETRY_S)
    finally:
        raw.close()


def _is_wal(driver: Any) -> bool:
    try:
        mode: str = driver.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
            raise
        return False
    return mode == "wal"
