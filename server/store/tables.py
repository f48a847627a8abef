"""Data tables and the catalogue of tables of every kind."""

import builtins
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
from sqlalchemy import select

from actions.errors import ColumnNotFound, Conflict, InvalidParameters
from actions.file_link import FileLink, link_of
from actions.files.links import Link
from actions.ports import Caslib, Kind, Name, Output, Staged, TableInfo
from actions.results import Json
from server.store.bodies import ChunkRows
from server.store.catalogue import LINKED, Catalogue, check_kind, drop_tables
from server.store.chunks import CHUNK_BYTES, decode, encode, split
from server.store.connect import Database
from server.store.names import did_you_mean
from server.store.schema import contents, data_chunks
from server.store.staging import Recipe, SqlStaged, discarding, make_live, open_content

_CHUNKS = ChunkRows(data_chunks)


class SqlStagedData(SqlStaged):
    """A data table that is being written: rows are held back until they fill a chunk."""

    def __init__(self, database: Database, content_id: str, schema: pa.Schema) -> None:
        super().__init__(database, content_id, "data")
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; batches of any size are regrouped into chunks of a few MB.

        Raises:
            InvalidParameters: the batch has other columns than the table.
            Conflict: the table was taken for an orphan and collected.
            StoreFull: the disk is full.
        """
        if not batch.schema.equals(self._schema):
            raise InvalidParameters(
                f"the rows got columns {_columns(batch.schema)}, expected {_columns(self._schema)}"
            )
        if batch.num_rows == 0:
            self.keep_alive()
            return
        for piece in split(batch):
            self._hold(piece)
        self.keep_alive()

    def seal(self) -> None:
        """Write the rows that are still held back."""
        if self._held:
            self._flush()

    def _hold(self, piece: pa.RecordBatch) -> None:
        if self._held and self._held_bytes + piece.nbytes > CHUNK_BYTES:
            self._flush()
        self._held.append(piece)
        self._held_bytes += piece.nbytes

    def _flush(self) -> None:
        whole = pa.Table.from_batches(self._held).combine_chunks().to_batches()[0]
        body = encode(whole)
        with self._database.write(relaxed=True) as connection:
            first_row = self.record(connection, rows=whole.num_rows, size_bytes=body.size)
            chunk = {"first_row": first_row, "rows": whole.num_rows, "body": memoryview(body)}
            _CHUNKS.add(connection, [{"content_id": self.id, **chunk}])
        self._held, self._held_bytes = [], 0


class SqlTableStore:
    """The catalogue of tables of every kind, and the content of data tables."""

    def __init__(self, database: Database, catalogue: Catalogue, job_id: str | None = None) -> None:
        self._database = database
        self._catalogue = catalogue
        self._job_id = job_id

    def find(self, name: Name, kind: Kind | None = None) -> TableInfo:
        """Return the entry of a table.

        Raises:
            CaslibNotFound: the session sees no such caslib.
            TableNotFound: the session sees no such table; details carry the nearest names.
            WrongKind: it is of another kind than asked for.
        """
        with self._database.read() as connection:
            return self._catalogue.entry(connection, name, kind)

    def list(self, caslib: str | None = None) -> builtins.list[TableInfo]:
        """Return all entries the session sees, of one caslib or of all, by name."""
        with self._database.read() as connection:
            return self._catalogue.entries(connection, caslib)

    def schema(self, table: TableInfo) -> pa.Schema:
        """Return the columns of a data table.

        Raises:
            WrongKind: it is no data table.
            Conflict: it was dropped or replaced, and its content is gone.
        """
        return self._described(table)[0]

    def scan(
        self,
        table: TableInfo,
        *,
        columns: Sequence[str] | None = None,
        first_row: int = 0,
        rows: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read a data table chunk by chunk, in order; chunks outside the range are not read.

        Every chunk is read in a transaction of its own. A table that is dropped or replaced in the
        meantime is read to its end, unless that takes longer than the grace period.

        Of a link, the file is read; that is refused unless it is as it was when it was linked.

        Raises:
            ColumnNotFound: the table has no such column; the message names the nearest.
            WrongKind: it is no data table.
            Conflict: the content is gone, or the file of a link was changed.
            FileNotFound: the file of a link is gone.
            CaslibNotFound: its caslib is.
            PathForbidden: its path leads out of its caslib.
        """
        schema, linked = self._described(table)
        _check_columns(schema, table, columns or ())
        first = max(0, first_row)
        last = table.rows if rows is None else min(table.rows, first + max(0, rows))
        file = link_of(table.attributes)
        if file is not None:
            return Link(table, file, schema, linked).scan(columns, first, last)
        return self._scan(table, columns, first, last)

    def link(self, output: Output, schema: pa.Schema, rows: int, file: FileLink) -> TableInfo:
        """Make a data table whose rows stay in a file of a caslib; nothing else is stored.

        Raises:
            TableExists: the name is taken in its scope and ``replace`` is false.
            CaslibNotFound: the session sees no such caslib.
            InvalidParameters: the name cannot be stored, or the table cannot be global where it
                goes, or would be seen by sessions that do not see the file's caslib.
            SessionNotFound: the session was ended.
        """
        recipe = Recipe(
            kind="data",
            columns=len(schema.names),
            attributes=file.attributes,
            header={},
            arrow_schema=schema.serialize().to_pybytes(),
            job_id=self._job_id,
            size_bytes=file.size_bytes,
        )
        now = self._database.now()
        with self._database.write() as connection:
            content_id = self._catalogue.add_link(connection, recipe, rows, file.caslib, now=now)
            return self._catalogue.place(connection, [(content_id, output)], now=now)[0]

    @contextmanager
    def stage(
        self, schema: pa.Schema, *, attributes: Mapping[str, Json] | None = None
    ) -> Iterator[SqlStagedData]:
        """Open a data table for writing; discarded at the block's end unless published in it."""
        recipe = Recipe(
            kind="data",
            columns=len(schema.names),
            attributes=attributes or {},
            header={},
            arrow_schema=schema.serialize().to_pybytes(),
            job_id=self._job_id,
        )
        staged = SqlStagedData(self._database, open_content(self._database, recipe), schema)
        with discarding(self._database, staged):
            yield staged

    def publish(self, *outputs: tuple[Staged, Output]) -> builtins.list[TableInfo]:
        """Make staged tables visible, all in one transaction: all of them or none.

        Raises:
            TableExists: a name is taken in its scope and ``replace`` is false.
            CaslibNotFound: the session sees no such caslib.
            InvalidParameters: a name cannot be stored, or a table cannot be global where it goes.
            SessionNotFound: the session was ended.
            Conflict: a table is no longer staged.
        """
        for staged, _ in outputs:
            if isinstance(staged, SqlStaged):
                staged.seal()
        now = self._database.now()
        with self._database.write() as connection:
            for staged, _ in outputs:
                make_live(connection, staged.id, now=now)
            placed = [(staged.id, output) for staged, output in outputs]
            return self._catalogue.place(connection, placed, now=now)

    def drop(self, name: Name) -> TableInfo:
        """Remove a table; a session table hides a global one and goes first.

        Raises:
            TableNotFound: the session sees no such table.
        """
        with self._database.write() as connection:
            info = self._catalogue.entry(connection, name)
            drop_tables(connection, [info.id], now=self._database.now())
            return info

    def promote(self, name: Name, target: Output) -> TableInfo:
        """Move a session table to the global scope, under the target's name.

        Raises:
            TableNotFound: the session sees no such table.
            TableExists: it is global already, or the name is taken and ``replace`` is false.
            InvalidParameters: the caslib is one that only the session sees.
        """
        with self._database.write() as connection:
            return self._catalogue.promote(connection, name, target, now=self._database.now())

    def rename(self, name: Name, new: str, *, label: str | None = None) -> TableInfo:
        """Give a table another name in its caslib and scope, and another label unless None.

        Raises:
            TableNotFound: the session sees no such table.
            TableExists: the new name is taken.
            InvalidParameters: the new name cannot be stored.
        """
        now = self._database.now()
        with self._database.write() as connection:
            return self._catalogue.rename(connection, name, new, label, now=now)

    def annotate(self, table: TableInfo, facts: Mapping[str, Json]) -> TableInfo:
        """Keep facts with a table, in place of facts of the same names.

        Raises:
            Conflict: the table was dropped or replaced.
        """
        with self._database.write() as connection:
            return self._catalogue.annotate(connection, table, facts)

    def _described(self, table: TableInfo) -> tuple[pa.Schema, Caslib | None]:
        """Return the columns of a data table and, of a link, the caslib its file lies in."""
        check_kind(table, "data")
        with self._database.read() as connection:
            query = select(contents.c.arrow_schema, contents.c.header)
            row = connection.execute(query.where(contents.c.id == table.id)).first()
            if row is None or row.arrow_schema is None:
                raise gone(table)
            linked = row.header.get(LINKED)
            caslib = linked and self._catalogue.linked_caslib(connection, linked)
        return pa.ipc.read_schema(pa.py_buffer(row.arrow_schema)), caslib

    def _scan(
        self, table: TableInfo, columns: Sequence[str] | None, first: int, last: int
    ) -> Iterator[pa.RecordBatch]:
        position = first
        while position < last:
            start, body = self._chunk(table, position)
            batch = decode(body, columns)
            end = min(start + batch.num_rows, last)
            yield batch.slice(position - start, end - position)
            position = end

    def _chunk(self, table: TableInfo, position: int) -> tuple[int, bytes]:
        """Return the chunk that holds a row: its first row and its bytes."""
        with self._database.read() as connection:
            found = _CHUNKS.holding(connection, table.id, position)
        if found is None:
            raise gone(table)
        row, body = found
        return row.first_row, body


def gone(table: TableInfo) -> Conflict:
    """Return the error of a reader whose table was dropped or replaced too long ago."""
    return Conflict(
        f"the table {table.name!r} in caslib {table.caslib!r} was dropped or replaced "
        "while it was being read",
        table=table.name,
        caslib=table.caslib,
    )


def _check_columns(schema: pa.Schema, table: TableInfo, columns: Sequence[str]) -> None:
    known = frozenset(schema.names)
    for column in columns:
        if column not in known:
            near = did_you_mean(column, schema.names)
            raise ColumnNotFound(
                f"the table {table.name!r} has no column {column!r}{near.hint}",
                table=table.name,
                column=column,
                nearest=near.names,
            )


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
