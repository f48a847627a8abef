"""Rows into a new data table: staged first, published whole."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from actions.context import Context
from actions.ports import Output, TableInfo
from actions.results import Json
from engine.errors import Cancelled


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
