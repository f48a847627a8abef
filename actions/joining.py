"""Two tables into one, on DuckDB: rows that share a key, or rows behind one another.

Rows keep the order of the left table, then that of the right one; what does not fit into memory
goes to disk.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from actions.errors import InvalidParameters, TooLarge
from actions.expression import quoted, resolve
from actions.query import DISK_LIMIT, SORTED_ROWS, closed_database
from actions.reading import OpenTable
from engine.later import Later

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = Later("duckdb")

JoinType = Literal["INNER", "LEFT", "RIGHT", "FULL", "APPEND"]

ROW = "castorch row"
"""The column that keeps the order of a table."""


@dataclass(frozen=True)
class Join:
    """A join whose names have been found.

    Attributes:
        key: the column of each table whose values are compared; None stacks the rows.
        schema: columns of the answer: those of the left table, then the others of the right one.
        hidden: columns of the right table that the left one has too, and gives.
    """

    left: OpenTable
    right: OpenTable
    kind: JoinType
    key: tuple[str, str] | None
    schema: pa.Schema
    hidden: tuple[str, ...] = ()

    def batches(self, threads: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the answer.

        Raises:
            TooLarge: the tables do not fit on disk.
        """
        if self.key is None:
            return self._stacked()
        return self._joined(*self.key, threads)

    def _stacked(self) -> Iterator[pa.RecordBatch]:
        for table in (self.left, self.right):
            own = {name.lower(): name for name in table.schema.names}
            for batch in table.batches():
                columns = [
                    batch.column(own[field.name.lower()]).cast(field.type)
                    if field.name.lower() in own
                    else pa.nulls(batch.num_rows, field.type)
                    for field in self.schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _joined(self, left: str, right: str, threads: int) -> Iterator[pa.RecordBatch]:
        failures: list[Exception] = []
        with closed_database(threads) as duck, _explained(failures):
            for name, table in (("l", self.left), ("r", self.right)):
                schema = table.schema.append(pa.field(ROW, pa.int64()))
                rows = _numbered(table.batches(), failures)
                duck.register(name, pa.RecordBatchReader.from_batches(schema, rows))
            for batch in duck.sql(self._sql(left, right)).to_arrow_reader(SORTED_ROWS):
                yield batch.cast(self.schema)

    def _sql(self, left: str, right: str) -> str:
        own = {name.lower() for name in self.left.schema.names}
        here, there = f"l.{quoted(left)}", f"r.{quoted(right)}"
        picked = [
            f"coalesce({here}, {there}) AS {quoted(field.name)}"
            if field.name == left
            else f"{'l' if field.name.lower() in own else 'r'}.{quoted(field.name)}"
            for field in self.schema
        ]
        same = f"{here} = {there}"
        # a number that is undefined is missing, and missing is like nothing
        if pa.types.is_floating(self.left.schema.field(left).type):
            same += f" AND NOT isnan({here})"
        return (
            f"SELECT {', '.join(picked)} FROM l {self.kind} JOIN r ON {same} "  # noqa: S608 - names are quoted
            f"ORDER BY l.{quoted(ROW)} NULLS LAST, r.{quoted(ROW)}"
        )


def _numbered(
    batches: Iterable[pa.RecordBatch], failures: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Yield batches with a column that counts rows; keep what fails, DuckDB would wrap it."""
    row = 0
    try:
        for batch in batches:
            numbers = pa.array(range(row, row + batch.num_rows), pa.int64())
            yield batch.append_column(ROW, numbers)
            row += batch.num_rows
    except Exception as error:
        failures.append(error)
        raise


@contextmanager
def _explained(failures: Sequence[Exception]) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException):
            raise TooLarge(
                f"joining got more rows than fit, expected at most {DISK_LIMIT} of them",
                limit=DISK_LIMIT,
            ) from None
        raise (failures[0] if failures else error) from None


def plan_join(left: OpenTable, right: OpenTable, kind: JoinType, key: str | None) -> Join:
    """Find the names of a join, and whether the tables can be joined.

    Raises:
        ColumnNotFound: a table lacks the key.
        InvalidParameters: there is no key, or columns that are to be one differ in type.
    """
    if kind == "APPEND":
        return Join(left, right, kind, None, _stacked_schema(left, right))
    if key is None:
        raise InvalidParameters(
            f"parameter 'id' is required with joinType {kind}, expected a column of both tables",
            parameter="id",
        )
    found = tuple(resolve(key, table.schema.names, table.label) for table in (left, right))
    names = (found[0], found[1])
    kinds = [left.schema.field(names[0]).type, right.schema.field(names[1]).type]
    if _kind(kinds[0]) != _kind(kinds[1]):
        raise InvalidParameters(
            f"parameter 'id' got {key!r}, which is {_kind(kinds[0])} in {left.label} and "
            f"{_kind(kinds[1])} in {right.label}, expected one kind",
            parameter="id",
        )
    own = {name.lower() for name in left.schema.names}
    others = [field for field in right.schema if field.name != names[1]]
    schema = pa.schema(
        [_with_type(field, kinds) if field.name == names[0] else field for field in left.schema]
        + [field for field in others if field.name.lower() not in own]
    )
    hidden = tuple(field.name for field in others if field.name.lower() in own)
    return Join(left, right, kind, names, schema, hidden)


def _with_type(field: "pa.Field[Any]", kinds: Sequence[pa.DataType]) -> "pa.Field[Any]":
    return field if kinds[0] == kinds[1] else field.with_type(_wider(kinds))


def _wider(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """Return a type that holds the values of both, which are of one kind."""
    return pa.float64() if _kind(kinds[0]) == "numeric" else kinds[0]


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "numeric"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "character"
    return str(kind)


def _stacked_schema(left: OpenTable, right: OpenTable) -> pa.Schema:
    """Return the columns of both tables, a name once.

    Raises:
        InvalidParameters: a column is of two kinds.
    """
    fields = {field.name.lower(): field for field in left.schema}
    for field in right.schema:
        mine = fields.setdefault(field.name.lower(), field)
        kinds = [mine.type, field.type]
        if _kind(kinds[0]) != _kind(kinds[1]):
            raise InvalidParameters(
                f"joinType APPEND got column {mine.name!r}, which is {_kind(kinds[0])} in "
                f"{left.label} and {_kind(kinds[1])} in {right.label}, expected one kind",
                column=mine.name,
            )
        fields[field.name.lower()] = _with_type(mine, kinds)
    return pa.schema(list(fields.values()))
