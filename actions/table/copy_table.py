from actions.answers import output_tables
from actions.context import Context
from actions.params import ActionParams, OutTable, TableRef
from actions.registry import action
from actions.results import ActionResult
from actions.table.partition import copied


class CopyTableParams(ActionParams):
    """Parameters of table.copyTable."""

    table: TableRef
    """The table to copy, of any kind, whole or in part."""
    cas_out: OutTable
    """The copy."""


@action("table.copyTable")
def copy_table(ctx: Context, p: CopyTableParams) -> ActionResult:
    """Copy a table: a whole one with its kind, a part of one as data.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    info = copied(ctx, p.table, p.cas_out)
    return ActionResult(
        tables={"OutputCasTables": output_tables(info)},
        values={"caslib": info.caslib, "tableName": info.name},
    )
