from actions.answers import output_tables
from actions.context import Context
from actions.params import ActionParams, OutTable, TableRef
from actions.ports import TableInfo
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import EXTENDED, store_rows


class PartitionParams(ActionParams):
    """Parameters of table.partition."""

    table: TableRef
    """The table to copy, with the ``where`` and ``vars`` of what is to be copied."""
    cas_out: OutTable
    """The copy; with ``replace`` it may have the name of the table itself."""


@action("table.partition")
def partition(ctx: Context, p: PartitionParams) -> ActionResult:
    """Copy a table, or the rows and columns of it that are asked for.

    A whole model or weight table stays one; a part of it is a data table.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    info = copied(ctx, p.table, p.cas_out)
    return ActionResult(
        tables={"OutputCasTables": output_tables(info)},
        values={"caslib": info.caslib, "tableName": info.name, "rowsTransferred": info.rows},
    )


def copied(ctx: Context, ref: TableRef, out: OutTable) -> TableInfo:
    """Copy a table and return the copy; a whole one keeps its kind and its attributes.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: the condition cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    table = open_table(ctx, ref)
    info = table.info
    if not table.plan.is_plain or table.schema.names != table.all_columns.names:
        return store_rows(ctx, table.schema, table.batches(), out.output)
    kept = {key: value for key, value in info.attributes.items() if key == EXTENDED}
    if info.kind == "data":
        return store_rows(ctx, table.schema, table.batches(), out.output, attributes=kept)
    if info.kind == "model":
        copy = ctx.models.create(out.output, ctx.models.load(ref.address).graph)
    else:
        _, header = ctx.weights.load(ref.address)
        with ctx.weights.stage(header, ctx.weights.chunks(info)) as staged:
            copy = ctx.tables.publish((staged, out.output))[0]
    return ctx.tables.annotate(copy, kept) if kept else copy
