from typing import Annotated

from actions.context import Context
from actions.errors import TableNotFound
from actions.params import ActionParams, TableName
from actions.ports import Name
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class TableExistsParams(ActionParams):
    """Parameters of table.tableExists."""

    name: Annotated[TableName, Aliases("table")]
    """The table."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""


@action("table.tableExists")
def table_exists(ctx: Context, p: TableExistsParams) -> ActionResult:
    """Return ``exists``: 0 if the session sees no such table, 1 for its own, 2 for a global one."""
    try:
        info = ctx.tables.find(Name(p.name, p.caslib))
    except TableNotFound:
        return ActionResult(values={"exists": 0})
    return ActionResult(values={"exists": 2 if info.scope == "global" else 1})
