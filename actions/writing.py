"""Rows into a new data table: staged first, published whole."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from actions.context import Context
from actions.errors import Conflict, WrongKind
from actions.ports import Name, Output, TableInfo
from actions.results import Json
from engine.errors import Cancelled

EXTENDED = "extended"
"""The fact of a table under which its extended attributes are kept."""


def store_rows(
    ctx: Context,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    output: Output,
    *,
    attributes: Mapping[str, Json] | None = None,
) -> TableInfo:
    """Make a data table of rows; when anything fails there is none.

    Args:
        ctx: where it is stored.
        schema: columns of the table.
        batches: its rows, read one batch at a time.
        output: name and place.
        attributes: facts to be kept with it.

    Raises:
        TableExists: the name is taken and ``replace`` is false.
        Cancelled: the caller asked to stop.
    """
    with ctx.tables.stage(schema, attributes=attributes) as staged:
        for batch in batches:
            if ctx.cancelled():
                raise Cancelled("the work was cancelled while a table was written")
            staged.write(batch)
        return ctx.tables.publish((staged, output))[0]


def rewrite(
    ctx: Context, info: TableInfo, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> TableInfo:
    """Put other rows in the place of those of a data table, all at once; its attributes stay.

    Args:
        ctx: where it is stored.
        info: the table, as it was when the rows were read.
        schema: its new columns.
        batches: its new rows, which may be read from itself.

    Raises:
        WrongKind: it is a model or holds weights.
        Conflict: another session changed it since it was read.
        Cancelled: the caller asked to stop.
    """
    if info.kind != "data":
        raise WrongKind(
            f"the table {info.name!r} in caslib {info.caslib!r} is a {info.kind} table, "
            "expected a data table; copy its rows with table.partition and a where",
            table=info.name,
            caslib=info.caslib,
            got=info.kind,
            expected="data",
        )
    name = Name(info.name, info.caslib)
    output = Output(name, replace=True, promote=info.scope == "global", label=info.label)
    kept = {key: value for key, value in info.attributes.items() if key == EXTENDED}
    with ctx.tables.stage(schema, attributes=kept) as staged:
        for batch in batches:
            if ctx.cancelled():
                raise Cancelled("the work was cancelled while a table was written")
            staged.write(batch)
        if ctx.tables.find(name).id != info.id:
            raise Conflict(
                f"the table {info.name!r} in caslib {info.caslib!r} was changed by another "
                "session; try again",
                table=info.name,
                caslib=info.caslib,
            )
        return ctx.tables.publish((staged, output))[0]
