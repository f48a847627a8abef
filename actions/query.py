"""Choosing and ordering the rows of a stream of Arrow batches, on DuckDB.

A condition is computed batch by batch over the columns it reads, and the rows are then picked from
the batches as they came, so types stay what they were and memory is that of one batch. Only
ordering needs all rows; DuckDB sorts them, on disk where they do not fit.

DuckDB gets nothing but the batches: no files, no network, no extensions, no Python variables, and
its configuration is locked.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from actions.errors import InvalidExpression, TooLarge
from actions.expression import quoted, resolve
from actions.language.computed import Computing, plan_computing
from engine.later import Later

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = Later("duckdb")

MEMORY_LIMIT = "1GiB"
"""Memory of one ordering before it goes to disk."""
DISK_LIMIT = "16GiB"
"""Disk of one ordering."""
SORTED_ROWS = 1024
"""Rows in a batch of an ordered answer; few, since cells may be images."""

_ROW = "castorch row"
"""The column that keeps rows of equal keys in the order they came."""


@dataclass(frozen=True)
class Order:
    """A column to order by; missing values come first, or last when descending."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """Which rows and columns to take, in which order.

    Attributes:
        where: a condition in the manner of CAS; None or a blank one takes all rows.
        computed: columns that the program computes; empty: all it assigns.
        program: the program of computed columns.
        columns: names to keep, in this order; empty keeps all.
        offset: rows of the answer to leave out at its beginning.
        limit: rows of the answer to give after those; None gives all.
    """

    where: str | None = None
    columns: tuple[str, ...] = ()
    order: tuple[Order, ...] = ()
    offset: int = 0
    limit: int | None = None
    computed: tuple[str, ...] = ()
    program: str = ""


@dataclass(frozen=True)
class Plan:
    """A query whose names have been found in a table.

    Attributes:
        schema: columns of the answer.
        reads: columns of the table that have to be read for it.
        computing: the condition and the computed columns, None where there is neither.
    """

    query: Query
    schema: pa.Schema
    reads: tuple[str, ...]
    computing: Computing | None
    order: tuple[Order, ...]

    @property
    def is_plain(self) -> bool:
        """Whether rows are neither chosen by value, nor ordered, nor have computed columns."""
        return self.computing is None and not self.order


def plan(query: Query, schema: pa.Schema, table: str = "the table") -> Plan:
    """Find the names of a query in a table's columns.

    Raises:
        ColumnNotFound: a column does not exist.
        InvalidExpression: the condition cannot be read, or does not fit the types of its columns.
    """
    computing = _computing(query, schema, table)
    columns = {field.name: field for field in schema}
    columns.update({field.name: field for field in computing.columns} if computing else {})
    names = list(columns)
    kept = [resolve(name, names, table) for name in query.columns] or names
    order = tuple(Order(resolve(o.column, names, table), o.descending) for o in query.order)
    made = set(computing.columns.names) if computing else set()
    used = {*kept, *(each.column for each in order)} - made
    used |= set(computing.reads) if computing else set()
    reads = tuple(name for name in schema.names if name in used) or tuple(schema.names[:1])
    answer = pa.schema([columns[name] for name in kept])
    return Plan(query, answer, reads, computing, order)


def _computing(query: Query, schema: pa.Schema, table: str) -> Computing | None:
    where = query.where if query.where is not None and query.where.strip() else None
    if where is None and not query.program.strip() and not query.computed:
        return None
    return plan_computing(schema, table, where, query.computed, query.program)


def run(
    found: Plan, batches: Iterable[pa.RecordBatch], *, threads: int = 1
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an answer.

    Args:
        found: the plan.
        batches: the columns ``found.reads`` of the table, all rows.
        threads: processor threads of an ordering.

    Raises:
        InvalidExpression: the condition fails on a value.
        TooLarge: an ordering does not fit on disk.
    """
    rows: Iterator[pa.RecordBatch] = iter(batches)
    if found.computing is not None:
        rows = _computed(found.query.where or "", found.computing, rows)
    if found.order:
        yield from _ordered(found, rows, threads)
        return
    rows = sliced(rows, found.query.offset, found.query.limit)
    for batch in rows:
        yield batch.select(found.schema.names)


def sliced(
    batches: Iterable[pa.RecordBatch], offset: int, limit: int | None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows from ``offset`` on, at most ``limit``; stop reading when they are through."""
    skip, left = offset, limit
    if left == 0:
        return
    for batch in batches:
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        part = batch.slice(skip, left)
        skip = 0
        yield part
        if left is not None:
            left -= part.num_rows
            if left <= 0:
                return


def _computed(
    where: str, computing: Computing, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    if computing.sql is None:
        yield from (computing.apply(None, batch) for batch in batches)
        return
    with closed_database(1) as database:
        for batch in batches:
            with _explained(where):
                kept = computing.apply(database, batch)
            yield kept


def _ordered(
    found: Plan, batches: Iterator[pa.RecordBatch], threads: int
) -> Iterator[pa.RecordBatch]:
    first = next(batches, None)
    if first is None:
        return
    failures: list[Exception] = []
    numbered = _numbered(first, batches, failures)
    keys = ", ".join(
        f"{_key(first.schema.field(o.column))} "
        f"{'DESC NULLS LAST' if o.descending else 'ASC NULLS FIRST'}"
        for o in found.order
    )
    columns = ", ".join(map(quoted, found.schema.names))
    limit = "" if found.query.limit is None else f" LIMIT {found.query.limit}"
    sql = (
        f"SELECT {columns} FROM rows ORDER BY {keys}, {quoted(_ROW)}"  # noqa: S608 - names are quoted
        f"{limit} OFFSET {found.query.offset}"
    )
    with closed_database(threads) as database, _explained("orderBy", failures):
        schema = first.schema.append(pa.field(_ROW, pa.int64()))
        database.register("rows", pa.RecordBatchReader.from_batches(schema, numbered))
        reader = database.sql(sql).to_arrow_reader(SORTED_ROWS)
        for batch in reader:
            yield batch.cast(found.schema)


def _key(field: "pa.Field[Any]") -> str:
    """Return what rows are ordered by.

    What is no number is missing, as is blank text; blanks at the end of text do not count.
    """
    name = quoted(field.name)
    if pa.types.is_string(field.type):
        return f"nullif(rtrim({name}, ' '), '')"
    return f"nullif({name}, 'nan')" if pa.types.is_floating(field.type) else name


def _numbered(
    first: pa.RecordBatch, rest: Iterator[pa.RecordBatch], failures: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Yield batches with a column that counts rows; keep what fails, DuckDB would wrap it."""
    row = 0
    batch: pa.RecordBatch | None = first
    while batch is not None:
        numbers = pa.array(range(row, row + batch.num_rows), pa.int64())
        yield batch.append_column(_ROW, numbers)
        row += batch.num_rows
        try:
            batch = next(rest, None)
        except Exception as error:
            failures.append(error)
            raise


@contextmanager
def _explained(where: str, failures: Sequence[Exception] = ()) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowInvalid) as error:
        if failures:
            raise failures[0] from None
        if isinstance(error, duckdb.OutOfMemoryException):
            raise TooLarge(
                f"ordering got more rows than fit, expected at most {DISK_LIMIT} of them",
                limit=DISK_LIMIT,
            ) from None
        reason = str(error).partition("\n")[0]
        raise InvalidExpression(
            f"the expression {where!r} does not fit the table: {reason}", expression=where
        ) from None


@contextmanager
def closed_database(threads: int) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a DuckDB that sees nothing but what is registered with it, and may use some disk."""
    with TemporaryDirectory(prefix="castorch-order-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": "false",
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "python_enable_replacements": "false",
            "threads": str(max(1, threads)),
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": folder,
            "max_temp_directory_size": DISK_LIMIT,
        }
        database = duckdb.connect(":memory:", config=config)
        try:
            database.execute("SET lock_configuration = true")
            yield database
        finally:
            database.close()
