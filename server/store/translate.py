"""The one place where errors of the database drivers become errors of the action surface.

Only failures a caller can meet are translated: a full disk, a locked or absent database, a race
that was lost. Anything else is a fault of ours and passes through unchanged.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from actions.errors import ActionError, Conflict, StoreFull, StoreUnavailable

FULL = "the database or disk is full"
LOCKED = "the database is locked by another process; try again"
AWAY = "the database cannot be reached; try again later"
UNUSABLE = "the database file cannot be used: {reason}"
LOST = "another session changed the same things first; try again"
BUSY_POOL = "all connections to the database are in use; try again"

PRIMARY_CODE = 0xFF
"""The low byte of an extended SQLite result code is the primary one."""

_SQLITE_UNUSABLE = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

_DISK_FULL = "53100"
_RACES = frozenset({"40001", "40P01", "23505", "23503"})
"""Serialization failure, deadlock, unique violation, foreign key violation."""
_LOCK_TIMEOUTS = frozenset({"55P03", "57014"})
_AWAY_CLASSES = ("08", "53", "57P")
"""Connection exception, insufficient resources, operator intervention.

Source: PostgreSQL documentation, appendix A (error codes).
"""


@contextmanager
def translated() -> Iterator[None]:
    """Raise driver errors of the block as StoreFull, StoreUnavailable or Conflict.

    Raises:
        StoreFull: the disk, or the size limit of the database, is reached.
        StoreUnavailable: the database is locked for longer than the time-out, away or unreadable.
        Conflict: a concurrent transaction won.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise StoreUnavailable(BUSY_POOL) from error
    except exc.DBAPIError as error:
        known = _of_driver(error)
        if known is None:
            raise
        raise known from error
    except sqlite3.Error as error:  # where SQLAlchemy does not wrap it: connecting, beginning
        known = _of_sqlite(error)
        if known is None:
            raise
        raise known from error


def _of_driver(error: exc.DBAPIError) -> ActionError | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    return _of_postgres(error)


def _of_sqlite(cause: sqlite3.Error) -> ActionError | None:
    code = getattr(cause, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(FULL)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(LOCKED)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(LOST)
    if code in _SQLITE_UNUSABLE:
        return StoreUnavailable(UNUSABLE.format(reason=cause))
    return None


def _of_postgres(error: exc.DBAPIError) -> ActionError | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state == _DISK_FULL:
        return StoreFull(FULL)
    if state in _RACES:
        return Conflict(LOST)
    if state in _LOCK_TIMEOUTS:
        return StoreUnavailable(LOCKED)
    lost = state is None and isinstance(error, exc.OperationalError)
    if lost or error.connection_invalidated or (state or "").startswith(_AWAY_CLASSES):
        return StoreUnavailable(AWAY)
    return None
