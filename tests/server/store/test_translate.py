import sqlite3

import psycopg
import pytest
from sqlalchemy import exc  # noqa: TID251 - what SQLAlchemy raises is what is translated

from actions.errors import ActionError, Conflict, StoreFull, StoreUnavailable
from server.store.translate import translated

FULL = r"^the database or disk is full$"
LOCKED = r"^the database is locked by another process; try again$"
AWAY = r"^the database cannot be reached; try again later$"
LOST = r"^another session changed the same things first; try again$"


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("some text")
    error.sqlite_errorcode = code
    return error


def wrapped(error: Exception) -> exc.DBAPIError:
    return exc.OperationalError("SELECT 1", {}, error)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_FULL, StoreFull, FULL),
        (sqlite3.SQLITE_BUSY, StoreUnavailable, LOCKED),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable, LOCKED),
        (sqlite3.SQLITE_LOCKED, StoreUnavailable, LOCKED),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Conflict, LOST),
        (
            sqlite3.SQLITE_IOERR_READ,
            StoreUnavailable,
            r"^the database file cannot be used: some text$",
        ),
    ],
)
def test_errors_of_sqlite_become_ours(code: int, kind: type[ActionError], message: str) -> None:
    with pytest.raises(kind, match=message), translated():
        raise wrapped(sqlite_error(code))
    with pytest.raises(kind, match=message), translated():
        raise sqlite_error(code)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (psycopg.errors.DiskFull(), StoreFull, FULL),
        (psycopg.errors.LockNotAvailable(), StoreUnavailable, LOCKED),
        (psycopg.errors.QueryCanceled(), StoreUnavailable, LOCKED),
        (psycopg.errors.SerializationFailure(), Conflict, LOST),
        (psycopg.errors.DeadlockDetected(), Conflict, LOST),
        (psycopg.errors.UniqueViolation(), Conflict, LOST),
        (psycopg.errors.ForeignKeyViolation(), Conflict, LOST),
        (psycopg.errors.AdminShutdown(), StoreUnavailable, AWAY),
        (psycopg.errors.TooManyConnections(), StoreUnavailable, AWAY),
        (psycopg.errors.ConnectionFailure(), StoreUnavailable, AWAY),
        (psycopg.OperationalError("connection refused"), StoreUnavailable, AWAY),
    ],
)
def test_errors_of_postgres_become_ours(
    error: psycopg.Error, kind: type[ActionError], message: str
) -> None:
    with pytest.raises(kind, match=message), translated():
        raise wrapped(error)


def test_an_exhausted_pool_is_reported() -> None:
    with (
        pytest.raises(
            StoreUnavailable, match=r"^all connections to the database are in use; try again$"
        ),
        translated(),
    ):
        raise exc.TimeoutError


@pytest.mark.parametrize(
    "error",
    [
        wrapped(psycopg.errors.UndefinedTable()),
        wrapped(sqlite_error(sqlite3.SQLITE_ERROR)),
        sqlite_error(sqlite3.SQLITE_ERROR),
        ValueError("ours"),
    ],
)
def test_our_own_faults_pass_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated():
        raise error

    assert caught.value is error
