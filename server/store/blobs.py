"""Chunks moved between memory and the database without a copy that is not needed.

SQLite hands a value over whole: it is put together in memory of its own, and copied from there.
Its *incremental I/O* copies between the pages and the caller's memory, slice by slice, so that a
slice is still in the processor's cache when it is used. PostgreSQL takes and gives values in
binary.

Source: SQLite documentation, "Incremental BLOB I/O"; PostgreSQL documentation, "Frontend/Backend
Protocol" (formats).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, insert, literal_column

SLICE_BYTES = 256 << 10
"""Moved at once in SQLite; a multiple of the size of every value."""

BODY = "body"
"""The column of the value."""


def add_chunk(
    connection: Connection, table: Table, row: Mapping[str, object], body: memoryview
) -> None:
    """Insert a row with a large value; the memory is free when this returns.

    Args:
        connection: of a write transaction.
        table: with a column ``body``.
        row: the other columns.
        body: bytes, one axis.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(insert(table).values(**row, body=body))
        return
    empty = insert(table).values(**row, body=func.zeroblob(len(body)))
    number = connection.execute(empty).lastrowid
    with _driver(connection).blobopen(table.name, BODY, number) as blob:
        for first in range(0, len(body), SLICE_BYTES):
            blob.write(body[first : first + SLICE_BYTES])


def with_body(query: Select[Any], table: Table, connection: Connection) -> Select[Any]:
    """Add to a query what ``body_slices`` needs to know of every row."""
    if connection.dialect.name != "sqlite":
        return query.add_columns(table.c[BODY]).execution_options(in_bytes=True)
    number: ColumnElement[int] = literal_column(f"{table.name}.rowid")
    return query.add_columns(number.label(BODY))


def body_slices(connection: Connection, table: Table, row: Row[Any]) -> Sequence[bytes]:
    """Return the value of a row in slices; only the last may be shorter than ``SLICE_BYTES``.

    Args:
        connection: of the transaction in which the row was read.
        table: the row's.
        row: of a query that went through ``with_body``.
    """
    if connection.dialect.name != "sqlite":
        return (row.body,)
    with _driver(connection).blobopen(table.name, BODY, row.body, readonly=True) as blob:
        return [blob.read(SLICE_BYTES) for _ in range(0, len(blob), SLICE_BYTES)]


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)
