from actions.answers import result_table
from actions.context import Context
from actions.params import ActionParams, TableRef
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult


class RecordCountParams(ActionParams):
    """Parameters of table.recordCount."""

    table: TableRef
    """The table, of any kind, and the ``where`` that chooses rows."""


@action("table.recordCount")
def record_count(ctx: Context, p: RecordCountParams) -> ActionResult:
    """Return the number of rows of a table, or of those that meet a condition.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidExpression: ``where`` cannot be read.
    """
    table = open_table(ctx, p.table)
    rows = table.info.rows
    if p.table.where is not None:
        rows = sum(batch.num_rows for batch in table.batches())
    return ActionResult(
        tables={"RecordCount": result_table((("N", "int64"),), [(rows,)], "Number of Rows")}
    )
