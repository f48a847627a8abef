import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from actions.answers import made
from actions.columns import result_columns, result_rows
from actions.context import Context
from actions.errors import InvalidExpression, InvalidParameters, TooLarge
from actions.expression import quoted
from actions.params import ActionParams, OutTable, TableRef
from actions.query import DISK_LIMIT, closed_database
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult, Cell, ResultTable
from actions.writing import store_rows
from engine.errors import Cancelled
from engine.later import Later

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = Later("duckdb")

ANSWER_BYTES = 64 << 20
"""Most bytes of column values in one answer."""
BATCH_ROWS = 8192

_CREATE = re.compile(
    r"""\s*create\s+table\s+
        (?:(?P<caslib>"[^"]+"|\w+)\s*\.\s*)?(?P<name>"[^"]+"|\w+)\s*
        (?:\{\s*options\s+(?P<options>[^}]*)\}\s*)?
        as\s+(?P<select>.*)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ALIAS = re.compile(r'\s+AS\s+("[^"]*"|[^\s"]+)(\s*\(.*\))?$', re.IGNORECASE | re.DOTALL)
_REPLACE = re.compile(r"replace\s*=\s*'?(true|yes)'?", re.IGNORECASE)


class ExecDirectParams(ActionParams):
    """Parameters of fedSql.execDirect."""

    later = dict.fromkeys(
        ("cntl", "method", "showStages"), "how a query is run is for DuckDB to say"
    )

    query: str
    """One SELECT, or one ``CREATE TABLE name {options replace=true} AS SELECT``."""
    cas_out: OutTable | None = None
    """A table for the rows of a SELECT, which are then not part of the answer."""


@dataclass(frozen=True)
class _Query:
    select: str
    out: OutTable | None


@action("fedSql.execDirect")
def exec_direct(ctx: Context, p: ExecDirectParams) -> ActionResult:
    """Run an SQL query over the tables of the session and return its rows.

    The dialect is that of DuckDB. The query sees the tables the session sees, by ``name`` or
    ``caslib.name``, and nothing else: no files, no network.

    Raises:
        InvalidExpression: the query cannot be read or run, or is no SELECT.
        InvalidParameters: it creates a table, and ``casOut`` names another.
        TableNotFound: the session sees no table of a name.
        TooLarge: the rows do not fit in an answer.
        TableExists: the table to be made exists, and nothing says to replace it.
    """
    query = _read(p)
    with closed_database(ctx.threads) as duck, _explained(p.query):
        _check(duck, query.select)
        for parts in sorted(_tables(duck, query.select)):
            _copy(ctx, duck, parts)
        reader = duck.sql(query.select).to_arrow_reader(BATCH_ROWS)
        if query.out is not None:
            schema = _plain(reader.schema)
            rows = (batch.cast(schema) for batch in reader)
            return made(store_rows(ctx, schema, rows, query.out.output))
        return ActionResult(tables={"Result Set": _answer(reader)})


def _read(p: ExecDirectParams) -> _Query:
    text = p.query.strip().rstrip(";")
    found = _CREATE.fullmatch(text)
    if found is None:
        return _Query(text, p.cas_out)
    if p.cas_out is not None:
        raise InvalidParameters(
            "parameters 'query' and 'casOut' got a table to make both, expected one of them",
            parameter="casOut",
        )
    name, caslib = found["name"].strip('"'), found["caslib"]
    replace = _REPLACE.search(found["options"] or "") is not None
    caslib = caslib.strip('"') if caslib else None
    return _Query(found["select"], OutTable(name=name, caslib=caslib, replace=replace))


def _check(duck: "duckdb.DuckDBPyConnection", select: str) -> None:
    """Check that a text is one SELECT.

    Raises:
        InvalidExpression: it is not.
    """
    statements = duck.extract_statements(select)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(each.type.name for each in statements) or "nothing"
        raise InvalidExpression(
            f"parameter 'query' got {kinds}, expected one SELECT or CREATE TABLE AS SELECT",
            got=kinds,
        )


def _tables(duck: "duckdb.DuckDBPyConnection", select: str) -> set[tuple[str, ...]]:
    """Return the tables a query names, each as the parts of its name; without their aliases."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for text in duck.get_table_names(select, qualified=True):
        name = _ALIAS.sub("", text)
        parts = tuple(part.strip('"') for part in re.findall(r'"[^"]+"|[^.]+', name))
        found[tuple(part.casefold() for part in parts)] = parts
    return set(found.values())


def _copy(ctx: Context, duck: "duckdb.DuckDBPyConnection", parts: tuple[str, ...]) -> None:
    """Copy a table of the session into DuckDB, which goes to disk where memory does not suffice."""
    caslib = parts[-2] if len(parts) > 1 else None
    table = open_table(ctx, TableRef(name=parts[-1], caslib=caslib))
    target = ".".join(map(quoted, parts[-2:]))
    if caslib is not None:
        duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(caslib)}")
    duck.register("castorch batch", pa.Table.from_batches([], table.schema))
    duck.execute(f'CREATE TABLE {target} AS FROM "castorch batch"')
    for batch in table.batches():
        if ctx.cancelled():
            raise Cancelled("the work was cancelled while a table was read")
        duck.register("castorch batch", pa.Table.from_batches([batch]))
        duck.execute(f'INSERT INTO {target} FROM "castorch batch"')
    duck.unregister("castorch batch")


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return columns of types that tables keep: decimals and great whole numbers become double."""
    return pa.schema([pa.field(each.name, _kept(each.type)) for each in schema])


def _kept(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        return pa.float64()
    is_known = (
        pa.types.is_primitive(kind)
        or pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_boolean(kind)
    )
    return kind if is_known else pa.string()


def _answer(reader: pa.RecordBatchReader) -> ResultTable:
    schema = _plain(reader.schema)
    rows: list[tuple[Cell, ...]] = []
    held = 0
    for batch in reader:
        held += batch.nbytes
        if held > ANSWER_BYTES:
            raise TooLarge(
                f"the rows got more than {ANSWER_BYTES} bytes, expected at most as many in one "
                "answer; ask for fewer, or name a table in casOut",
                limit=ANSWER_BYTES,
            )
        rows += result_rows(batch.cast(schema))
    return ResultTable(result_columns(schema), tuple(rows), "Result Set")


@contextmanager
def _explained(query: str) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise TooLarge(
            f"the query got more rows than fit, expected at most {DISK_LIMIT} of them",
            limit=DISK_LIMIT,
        ) from None
    except (duckdb.Error, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidExpression(f"the query cannot be run: {reason}", query=query[:200]) from None
