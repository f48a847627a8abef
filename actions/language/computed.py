"""Conditions and computed columns over the batches of a table.

Both are SQL for DuckDB where they have a short translation; else they run row by row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from actions.errors import InvalidParameters
from actions.expression import quoted, resolve
from actions.language.frame import Frame, moment_of
from actions.language.grammar import parse_condition, parse_program, shortened
from actions.language.meaning import Kind, Meaning, Typed
from actions.language.nodes import (
    Array,
    Assign,
    CallRoutine,
    Expr,
    If,
    Length,
    Loop,
    Name,
    Place,
    Span,
    Statement,
    within,
)
from actions.language.reading import unquoted
from actions.language.running import Runner
from actions.language.sql import NotInSql, Sql, SqlEmitter
from actions.language.transfer import finite, values_of
from actions.values import kind_of, value_sql
from engine.errors import NotSupportedError
from engine.later import Later

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = Later("duckdb")

PROGRAM = "the program of computed columns"


@dataclass(frozen=True)
class Computing:
    """A condition and computed columns whose names have been found in a table.

    Attributes:
        columns: what is computed: float64 and text.
        reads: columns of the table that are needed.
    """

    columns: pa.Schema
    reads: tuple[str, ...]
    sql: str | None
    has_condition: bool
    rows: "RowProgram | None" = field(default=None, repr=False)

    def apply(
        self, duck: "duckdb.DuckDBPyConnection | None", batch: pa.RecordBatch
    ) -> pa.RecordBatch:
        """Return the rows that meet the condition, with the computed columns.

        A computed column takes the place of a column of its name.
        """
        if self.sql is not None and duck is not None:
            keep, columns = self._by_sql(duck, batch)
        else:
            assert self.rows is not None  # noqa: S101 - one of both was planned
            keep, columns = self.rows.run(batch)
        for each, column in zip(self.columns, columns, strict=True):
            at = batch.schema.get_field_index(each.name)
            if at >= 0:
                batch = batch.set_column(at, each, column)
            else:
                batch = batch.append_column(each, column)
        return batch if keep is None else batch.filter(keep)

    def _by_sql(
        self, duck: "duckdb.DuckDBPyConnection", batch: pa.RecordBatch
    ) -> tuple[Any, list[Any]]:
        names = list(self.reads) or batch.schema.names[:1]
        duck.register("rows", pa.Table.from_batches([batch]).select(names))
        found = duck.sql(f"SELECT {self.sql} FROM rows").to_arrow_table().combine_chunks()  # noqa: S608 - translated word by word
        duck.unregister("rows")
        columns = [_array(found.column(at)) for at in range(found.num_columns)]
        keep = columns.pop(0) if self.has_condition else None
        cleaned = [
            finite(column) if pa.types.is_floating(column.type) else column for column in columns
        ]
        return keep, cleaned


def _array(column: "pa.ChunkedArray[Any]") -> Any:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


class _Columns:
    """The scope of SQL: the columns of a table, and what a program has assigned so far."""

    def __init__(self, schema: pa.Schema, table: str) -> None:
        self.schema = schema
        self.table = table
        self.assigned: dict[str, Typed[Sql]] = {}
        self.used: dict[str, None] = {}

    def variable(self, name: Name) -> Typed[Sql]:
        known = self.assigned.get(name.name.casefold())
        if known is not None:
            return known
        column = resolve(name.name, self.schema.names, self.table)
        self.used[column] = None
        return self._column(column)

    def _column(self, name: str) -> Typed[Sql]:
        kind, sql = self.schema.field(name).type, quoted(name)
        match kind_of(kind):
            case "binary":
                return Typed("binary", Sql(sql))
            case "text":
                return Typed("text", Sql(f"coalesce({sql}::VARCHAR, '')"))
            case _:
                is_whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
                whole = f"{sql}::HUGEINT" if is_whole else ""
                return Typed("number", Sql(value_sql(kind, sql), whole), moment_of(kind))

    def is_array(self, name: str) -> bool:
        del name
        return False

    def element(self, name: str, place: Place, index: Sql) -> Typed[Sql]:
        del name, place, index
        raise NotInSql

    def size(self, name: str) -> int:
        del name
        raise NotInSql

    def expand(self, span: Span) -> Sequence[Name]:
        del span
        raise NotInSql


class RowProgram:
    """A condition and a program over the rows of batches, in Python."""

    def __init__(
        self,
        schema: pa.Schema,
        table: str,
        condition: tuple[Expr, str] | None,
        program: tuple[Statement, ...],
        names: Sequence[str],
    ) -> None:
        self.frame = Frame(PROGRAM, table)
        for each in schema:
            self.frame.column(each.name, each.type)
        self.frame.define_all(program)
        self.body = Runner(self.frame).block(program)
        self.names = names
        self.condition = None
        if condition is not None:
            expr, text = condition
            self.frame.meaning.subject = f"the expression {shortened(text)}"
            self.condition = self.frame.meaning.truth(expr)
        variables = {each.name: each for each in self.frame.variables.values()}
        self.reads = tuple(name for name in schema.names if variables[name].is_read)

    def kind(self, name: str) -> Kind | None:
        found = self.frame.find(name)
        return None if found is None else found.kind

    def run(self, batch: pa.RecordBatch) -> tuple[Any, list[Any]]:
        """Return which rows meet the condition, and the computed columns."""
        found = [self.frame.find(name) for name in self.reads]
        slots = [each.slot for each in found if each is not None]
        columns = [values_of(batch.column(each.name), each) for each in found if each is not None]
        first = self.frame.new_row()
        results = [each.slot for name in self.names if (each := self.frame.find(name)) is not None]
        keep: list[bool] = []
        made: list[list[Any]] = [[] for _ in results]
        for at in range(batch.num_rows):
            row = first.copy()
            for slot, column in zip(slots, columns, strict=True):
                row[slot] = column[at]
            self.body(row)
            keep.append(self.condition is None or bool(self.condition(row)))
            for slot, values in zip(results, made, strict=True):
                values.append(row[slot])
        mask = None if self.condition is None else pa.array(keep, pa.bool_())
        kinds = [self.kind(name) for name in self.names]
        arrays = [_made(values, kind) for values, kind in zip(made, kinds, strict=True)]
        return mask, arrays


def _made(values: list[Any], kind: Kind | None) -> Any:
    if kind == "text":
        return pa.array([value or None for value in values], pa.string())
    return finite(pa.array(values, pa.float64()))


def plan_computing(
    schema: pa.Schema,
    table: str,
    where: str | None,
    names: Sequence[str] = (),
    program: str = "",
) -> Computing:
    """Find the names of a condition and of computed columns in a table.

    Args:
        schema: columns of the table.
        table: how messages call it.
        where: the condition, None for all rows.
        names: computed columns; empty: all variables the program makes.
        program: statements that compute them; see it also for variables the condition reads.

    Raises:
        InvalidExpression: one of both cannot be read, or does not fit the columns.
        ColumnNotFound: a name is neither a column nor a variable.
        InvalidParameters: a computed column gets no value in the program.
        NotSupportedError: the program holds a statement that computed columns do not run.
    """
    names = tuple(_plain(name) for name in names)
    statements = parse_program(program) if program.strip(" \t\r\n;") else ()
    _check(statements)
    condition = None if where is None else (parse_condition(where), where)
    assigned = _assigned(statements)
    shown = names or tuple(assigned.values())
    for name in names:
        if name.casefold() not in assigned:
            raise InvalidParameters(
                f"parameter 'computedVars' got {name!r}, which the program does not assign; it "
                f"assigns {', '.join(assigned.values()) or 'nothing'}",
                parameter="computedVars",
                got=name,
            )
    shown = tuple(resolve_or(name, schema.names) for name in shown)
    try:
        return _in_sql(schema, table, condition, statements, shown)
    except NotInSql:
        rows = RowProgram(schema, table, condition, statements, shown)
        kinds = [rows.kind(name) for name in shown]
        columns = pa.schema(
            [pa.field(name, _type(kind)) for name, kind in zip(shown, kinds, strict=True)]
        )
        return Computing(columns, rows.reads, None, condition is not None, rows)


def resolve_or(name: str, columns: Sequence[str]) -> str:
    """Return a name as a table spells it, or as it is where the table has none."""
    return next((each for each in columns if each.casefold() == name.casefold()), name)


def _plain(name: str) -> str:
    """Return a name without the quotes of a name literal."""
    is_literal = len(name) > 2 and name[0] in "'\"" and name[-1] in "nN" and name[-2] == name[0]
    return unquoted(name[:-1]) if is_literal else name


def _type(kind: Kind | None) -> pa.DataType:
    return pa.string() if kind == "text" else pa.float64()


def _check(statements: tuple[Statement, ...]) -> None:
    for each in within(statements):
        if not isinstance(each, Assign | If | Length | Loop | Array | CallRoutine):
            word = getattr(each, "word", type(each).__name__.lower())
            raise NotSupportedError(
                f"{PROGRAM} at {each.place} got the statement {word!r}, which belongs to the DATA "
                "step; expected an assignment, if, do, length, array or call",
                got=word,
            )


def _assigned(statements: tuple[Statement, ...]) -> dict[str, str]:
    """Return the variables that get a value, by their folded names."""
    found: dict[str, str] = {}
    for each in within(statements):
        if isinstance(each, Assign) and isinstance(each.target, Name):
            found.setdefault(each.target.name.casefold(), each.target.name)
        if isinstance(each, Loop) and each.name:
            found.setdefault(each.name.casefold(), each.name)
        if isinstance(each, Array):
            names = [item.name for item in each.names if item.kind == "name"]
            found.update({name.casefold(): name for name in names})
    return found


def _in_sql(
    schema: pa.Schema,
    table: str,
    condition: tuple[Expr, str] | None,
    statements: tuple[Statement, ...],
    names: Sequence[str],
) -> Computing:
    scope = _Columns(schema, table)
    lengths: dict[str, int | None] = {}
    meaning = Meaning(SqlEmitter(), scope, PROGRAM)
    for each in statements:
        _translate(each, meaning, scope, lengths)
    found = [scope.assigned[name.casefold()] for name in names]
    parts = [
        f"nullif({each.code.text}, '')" if each.kind == "text" else each.code.text for each in found
    ]
    if condition is not None:
        expr, text = condition
        meaning = Meaning(SqlEmitter(), scope, f"the expression {shortened(text)}")
        parts.insert(0, meaning.truth(expr).text)
    columns = pa.schema(
        [pa.field(name, _type(each.kind)) for name, each in zip(names, found, strict=True)]
    )
    sql = ", ".join(f"{part} AS r{at}" for at, part in enumerate(parts))
    return Computing(columns, tuple(scope.used), sql, condition is not None)


def _translate(
    statement: Statement,
    meaning: Meaning[Sql],
    scope: _Columns,
    lengths: dict[str, int | None],
) -> None:
    match statement:
        case Length(names=items, kind="text", length=length):
            for item in items:
                is_column = item.name.casefold() in map(str.casefold, scope.schema.names)
                if item.kind != "name" or is_column:
                    raise NotInSql
                lengths[item.name.casefold()] = length
                scope.assigned.setdefault(
                    item.name.casefold(), Typed("text", Sql("''", is_present=True))
                )
        case Assign(target=Name(name=name), value=value):
            scope.assigned[name.casefold()] = _value(name, value, meaning, scope, lengths)
        case If(condition=condition, then=then, otherwise=otherwise):
            _branch(meaning.truth(condition), then, otherwise, (meaning, scope, lengths))
        case _:
            raise NotInSql


def _value(
    name: str,
    value: Expr,
    meaning: Meaning[Sql],
    scope: _Columns,
    lengths: dict[str, int | None],
) -> Typed[Sql]:
    found = meaning.plain(value)
    known = scope.assigned.get(name.casefold())
    if found.kind == "binary" or (known is not None and known.kind != found.kind):
        raise NotInSql
    length = lengths.get(name.casefold())
    if found.kind == "text" and length is not None:
        return Typed("text", Sql(f"left({found.code.text}, {length})"))
    return found


def _branch(
    condition: Sql,
    then: tuple[Statement, ...],
    otherwise: tuple[Statement, ...],
    world: tuple[Meaning[Sql], _Columns, dict[str, int | None]],
) -> None:
    """Assign in both branches, and choose between what they assign."""
    meaning, scope, lengths = world
    before = dict(scope.assigned)
    ends: list[Mapping[str, Typed[Sql]]] = []
    for branch in (then, otherwise):
        scope.assigned = dict(before)
        for each in branch:
            _translate(each, meaning, scope, lengths)
        ends.append(scope.assigned)
    yes, no = ends
    merged = dict(before)
    for name in {**yes, **no}:
        a, b = yes.get(name), no.get(name)
        if a is b and a is not None:
            merged[name] = a
            continue
        kind = (a or b).kind if (a or b) else "number"  # type: ignore[union-attr]
        if {each.kind for each in (a, b) if each is not None} != {kind}:
            raise NotInSql
        empty = Sql("''") if kind == "text" else Sql("NULL::DOUBLE")
        codes = [each.code if each is not None else empty for each in (a, b)]
        merged[name] = Typed(kind, meaning.emit.choose(condition, *codes))
    scope.assigned = merged
