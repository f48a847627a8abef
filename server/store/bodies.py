"""Rows that hold a body of megabytes: added, and found by a row of the table they are a part of.

SQLite copies a value of a statement, on its way in and out, into fresh memory, and the C library
gives that back to the system, which clears it for the next one: a thousand page faults for every
4 MiB, which take longer than writing them. So bodies are read and written where they lie.

Source: SQLite documentation, "Open A BLOB For Incremental I/O"; malloc(3), M_TRIM_THRESHOLD.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Row,
    Table,
    bindparam,
    func,
    insert,
    literal_column,
    select,
)


class ChunkRows:
    """The chunks of data or of weights, one table of the database; its statements, built once."""

    def __init__(self, chunks: Table, *columns: Column[Any]) -> None:
        """Build the statements.

        Args:
            chunks: of data or of weights.
            columns: those that ``holding`` returns beside the first row.
        """
        self._name = chunks.name
        self._add = insert(chunks)
        self._make_room = insert(chunks).values(body=func.zeroblob(bindparam("body_bytes")))
        holding = (
            select(chunks.c.first_row, *columns)
            .where(chunks.c.content_id == bindparam("content"))
            .where(chunks.c.first_row <= bindparam("position"))
            .where(chunks.c.first_row + chunks.c.rows > bindparam("position"))
            .order_by(chunks.c.first_row.desc())
            .limit(1)
        )
        self._find = holding.add_columns(literal_column("rowid").label("place"))
        self._read = holding.add_columns(chunks.c.body).execution_options(in_bytes=True)

    def add(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a chunk that may be large, or several small ones.

        Args:
            connection: in a write transaction.
            rows: all columns by their names; bodies are bytes or views of bytes.
        """
        if len(rows) > 1 or not _is_sqlite(connection):
            connection.execute(self._add, rows)
            return
        row = dict(rows[0])
        body = memoryview(row.pop("body"))
        made = connection.execute(self._make_room, {**row, "body_bytes": body.nbytes})
        with _driver(connection).blobopen(self._name, "body", made.lastrowid) as blob:
            blob.write(body)

    def holding(
        self, connection: Connection, content_id: str, position: int
    ) -> tuple[Row[Any], bytes] | None:
        """Return the chunk that holds a row, and its body; None where there is none.

        Args:
            connection: in a transaction.
            content_id: of the table.
            position: the 0-based row.
        """
        wanted = {"content": content_id, "position": position}
        if not _is_sqlite(connection):
            row = connection.execute(self._read, wanted).first()
            return None if row is None else (row, row.body)
        row = connection.execute(self._find, wanted).first()
        if row is None:
            return None
        with _driver(connection).blobopen(self._name, "body", row.place, readonly=True) as blob:
            return row, blob.read()


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
