from typing import Annotated

from actions.answers import made
from actions.context import Context
from actions.joining import JoinType, plan_join
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.layers.base import Aliases


class DlJoinParams(ActionParams):
    """Parameters of deepLearn.dlJoin."""

    left: Annotated[TableRef, Aliases("table")]
    """The table whose rows come first, such as one of images."""
    right: Annotated[TableRef, Aliases("annotatedTable", "annotation")]
    """The table whose columns are put beside them, such as one of labels or boxes."""
    id: Variable | None = None
    """Column of both tables; rows of an equal value are joined. Missing equals nothing. APPEND
    needs none."""
    join_type: JoinType = "LEFT"
    """LEFT keeps all rows of the left table, RIGHT those of the right one, FULL those of both,
    INNER those that have a partner; APPEND puts the rows of the right table behind the others."""
    cas_out: OutTable
    """The joined table; with ``replace`` it may have the name of one of the two."""


@action("deepLearn.dlJoin")
def dl_join(ctx: Context, p: DlJoinParams) -> ActionResult:
    """Join two tables, such as one of images and one of their annotations.

    Columns are those of the left table and then those of the right one, the key once, whether
    ``vars`` names it or not. Of a column that both have, the left one's is kept, with a warning.
    Rows keep their order.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a table lacks the key.
        InvalidExpression: a ``where`` cannot be read.
        InvalidParameters: there is no key, or columns that are to be one differ in type.
        TableExists: the name is taken and ``replace`` is false.
        TooLarge: the tables do not fit on disk.
    """
    key = None if p.id is None else p.id.name
    left, right = _opened(ctx, p.left, key), _opened(ctx, p.right, key)
    found = plan_join(left, right, p.join_type, key)
    if found.hidden:
        names = ", ".join(map(repr, found.hidden))
        ctx.warn(f"Of columns that both tables have, those of {left.label} are kept: {names}.")
    return made(store_rows(ctx, found.schema, found.batches(ctx.threads), p.cas_out.output))


def _opened(ctx: Context, table: TableRef, key: str | None) -> OpenTable:
    """Prepare to read a table, its key among the columns that are asked for."""
    asked = table.columns
    if key is None or not asked or key.casefold() in {each.casefold() for each in asked}:
        return open_table(ctx, table)
    return open_table(ctx, table, columns=(*asked, key))
