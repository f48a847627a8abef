"""Rows of a table on DuckDB, group by group and column by column.

The columns an action asks for are copied into a closed DuckDB, which goes to disk where memory does
not suffice: the table ``rows`` with ``g``, the number of a row's group, ``r``, its position, and
``c0``, ``c1`` ... the values of the inputs, as numbers or text, null where they are missing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.expression import quoted
from actions.params import TableRef, Variable
from actions.query import DISK_LIMIT, closed_database
from actions.reading import OpenTable, open_table
from actions.results import Cell, ColumnType
from actions.values import Kind, formatted, kind_of, value_sql
from engine.errors import Cancelled
from engine.later import Later

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = Later("duckdb")

Wanted = Literal["numbers", "all"]
Value = float | str | None


@dataclass(frozen=True)
class Input:
    """A column that is studied.

    Attributes:
        sql: its name in the table ``rows``.
    """

    name: str
    kind: Kind
    type: pa.DataType
    sql: str

    @property
    def is_number(self) -> bool:
        return self.kind == "number"

    @property
    def result_type(self) -> ColumnType:
        """The type of its values in an answer."""
        if not self.is_number:
            return "string"
        return "int64" if pa.types.is_integer(self.type) else "double"

    def shown(self, value: Value) -> str:
        """Return a value as text."""
        return formatted(value, self.type)

    def raw(self, value: Value) -> Cell:
        """Return a value as it is told in an answer; missing text is blank."""
        if value is None and not self.is_number:
            return ""
        if isinstance(value, float) and pa.types.is_integer(self.type):
            return int(value)
        return value


@dataclass(frozen=True)
class Group:
    """The rows that agree in all columns of groupBy.

    Attributes:
        number: counted from 1 in the order of the values.
    """

    number: int
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Study:
    """The rows of a table, ready to be asked about.

    Attributes:
        by: columns of groupBy.
        groups: in the order of their values; without groupBy one, of no values.
    """

    table: OpenTable
    inputs: tuple[Input, ...]
    by: tuple[Input, ...]
    groups: tuple[Group, ...]
    duck: "duckdb.DuckDBPyConnection"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over ``rows``.

        Raises:
            TooLarge: it does not fit on disk.
        """
        with within_limits():
            return self.duck.execute(sql).fetchall()

    def by_group(self, sql: str) -> dict[int, list[tuple[Any, ...]]]:
        """Return the rows of a query by the number of their group, their first value."""
        found: dict[int, list[tuple[Any, ...]]] = {each.number: [] for each in self.groups}
        for number, *row in self.ask(sql):
            found[number].append(tuple(row))
        return found


@contextmanager
def within_limits() -> Iterator[None]:
    """Tell what does not fit on disk as a declared error.

    Raises:
        TooLarge: there is too much of it.
    """
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise TooLarge(
            f"the analysis got more rows than fit, expected at most {DISK_LIMIT} of them",
            limit=DISK_LIMIT,
        ) from None


@contextmanager
def study(
    ctx: Context,
    ref: TableRef,
    inputs: Sequence[Variable] = (),
    *,
    wanted: Wanted = "all",
    kept: Sequence[str] = (),
) -> Iterator[Study]:
    """Copy the columns an action asks for, with their groups, into DuckDB.

    Args:
        ctx: where the table is.
        ref: the table, its ``where`` and its ``groupBy``.
        inputs: the columns; empty: all of the table that suit.
        wanted: whether columns have to be numbers.
        kept: further columns to be copied, which come after the inputs.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column does not hold what is wanted, or none does.
        TooLarge: the rows do not fit on disk.
    """
    ref = _unordered(ref)
    whole = open_table(ctx, ref)
    names = tuple(each.name for each in inputs) or _suitable(whole, wanted)
    by_names = tuple(each.name for each in ref.group_by)
    every = {name.casefold(): name for name in (*by_names, *names, *kept)}
    table = open_table(ctx, ref, columns=tuple(every.values()))
    fields = {field.name.casefold(): field for field in table.schema}
    found = tuple(
        _input(fields[name.casefold()], f"c{place}") for place, name in enumerate((*names, *kept))
    )
    by = tuple(_input(fields[name.casefold()], f"b{place}") for place, name in enumerate(by_names))
    for each in found[: len(names)]:
        _check(whole, each, "inputs", wanted)
    for each in by:
        _check(whole, each, "groupBy", "all")
    with closed_database(ctx.threads) as duck:
        with within_limits():
            _fill(ctx, duck, table, (*by, *found))
            groups = _group(duck, by, found)
        yield Study(table, found, by, groups, duck)


def _unordered(ref: TableRef) -> TableRef:
    """Return a reference whose rows may come in any order."""
    return ref if not ref.order_by else ref.model_copy(update={"order_by": ()})


def _input(field: "pa.Field[Any]", sql: str) -> Input:
    return Input(field.name, kind_of(field.type), field.type, sql)


def _suitable(table: OpenTable, wanted: Wanted) -> tuple[str, ...]:
    kinds = {"number"} if wanted == "numbers" else {"number", "text"}
    names = tuple(field.name for field in table.schema if kind_of(field.type) in kinds)
    if not names:
        raise InvalidParameters(
            f"{table.label} got no column of {_words(wanted)}, expected at least one",
            table=table.info.name,
        )
    return names


def _check(table: OpenTable, found: Input, place: str, wanted: Wanted) -> None:
    if found.kind == "number" or (wanted == "all" and found.kind == "text"):
        return
    raise InvalidParameters(
        f"parameter {place!r} got the column {found.name!r}, which holds {_held(found.kind)}, "
        f"expected columns of {_words(wanted)}: {', '.join(_suitable(table, wanted))}",
        parameter=place,
        got=found.name,
    )


def _words(wanted: Wanted) -> str:
    return "numbers" if wanted == "numbers" else "numbers or text"


def _held(kind: Kind) -> str:
    return {"number": "numbers", "text": "text", "binary": "bytes"}[kind]


def _fill(
    ctx: Context, duck: "duckdb.DuckDBPyConnection", table: OpenTable, columns: Sequence[Input]
) -> None:
    """Copy rows batch by batch, so that what fails in reading them stays as it is."""
    values = ", ".join(
        ("row_number() OVER () AS r", *(f"{_value(each)} AS {each.sql}" for each in columns))
    )
    duck.register("batch", pa.Table.from_batches([], table.schema))
    duck.execute(f"CREATE TABLE raw AS SELECT {values} FROM batch")  # noqa: S608 - names are quoted
    values = values.replace("row_number() OVER ()", "row_number() OVER () + ?", 1)
    rows = 0
    for batch in table.batches():
        if ctx.cancelled():
            raise Cancelled("the work was cancelled while a table was read")
        duck.register("batch", pa.Table.from_batches([batch]))
        duck.execute(f"INSERT INTO raw SELECT {values} FROM batch", [rows])  # noqa: S608 - as above
        rows += batch.num_rows
    duck.unregister("batch")


def _value(column: Input) -> str:
    return value_sql(column.type, quoted(column.name))


def _group(
    duck: "duckdb.DuckDBPyConnection", by: Sequence[Input], inputs: Sequence[Input]
) -> tuple[Group, ...]:
    """Number the groups and the rows of each."""
    columns = "".join(f", {each.sql}" for each in inputs)
    if not by:
        duck.execute("ALTER TABLE raw ADD COLUMN g BIGINT DEFAULT 1")
        duck.execute("ALTER TABLE raw RENAME TO rows")
        return (Group(1, ()),)
    keys = ", ".join(each.sql for each in by)
    order = ", ".join(f"{each.sql} NULLS FIRST" for each in by)
    same = " AND ".join(f"raw.{each.sql} IS NOT DISTINCT FROM keys.{each.sql}" for each in by)
    duck.execute(
        f"CREATE TABLE keys AS SELECT row_number() OVER (ORDER BY {order}) AS g, {keys} "  # noqa: S608 - our names
        f"FROM (SELECT DISTINCT {keys} FROM raw)"
    )
    duck.execute(
        f"CREATE TABLE rows AS SELECT keys.g, raw.r{columns} FROM raw JOIN keys ON {same}"  # noqa: S608 - our names
    )
    duck.execute("DROP TABLE raw")
    found = duck.execute("SELECT * FROM keys ORDER BY g").fetchall()
    return tuple(Group(number, tuple(values)) for number, *values in found)
