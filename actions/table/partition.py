from actions.answers import output_tables
from actions.context import Context
from actions.params import ActionParams, OutTable, TableRef
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows


class PartitionParams(ActionParams):
    """Parameters of table.partition."""

    table: TableRef
    """The table to copy, with the ``where`` and ``vars`` of what is to be copied."""
    cas_out: OutTable
    """The copy; with ``replace`` it may have the name of the table itself."""


@action("table.partition")
def partition(ctx: Context, p: PartitionParams) -> ActionResult:
    """Copy a table, or the rows and columns of it that are asked for, to a data table.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    table = open_table(ctx, p.table)
    info = store_rows(ctx, table.schema, table.batches(), p.cas_out.output)
    return ActionResult(
        tables={"OutputCasTables": output_tables(info)},
        values={"caslib": info.caslib, "tableName": info.name, "rowsTransferred": info.rows},
    )
