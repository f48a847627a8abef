from actions.context import Context
from actions.params import ActionParams, TableRef
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult


class NumRowsParams(ActionParams):
    """Parameters of simple.numRows."""

    table: TableRef
    """The table, of any kind, and the ``where`` that chooses rows."""


@action("simple.numRows")
def num_rows(ctx: Context, p: NumRowsParams) -> ActionResult:
    """Return the number of rows of a table, or of those that meet a condition, as ``numrows``.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidExpression: ``where`` cannot be read.
    """
    table = open_table(ctx, p.table.model_copy(update={"order_by": ()}))
    rows = table.info.rows
    if not table.plan.is_plain:
        rows = sum(batch.num_rows for batch in table.batches())
    return ActionResult(values={"numrows": rows})
