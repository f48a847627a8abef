from typing import Annotated

from actions.context import Context
from actions.errors import TableNotFound
from actions.params import ActionParams, TableName
from actions.ports import Name
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class DropTableParams(ActionParams):
    """Parameters of table.dropTable."""

    name: Annotated[TableName, Aliases("table")]
    """The table, of any kind."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""
    quiet: bool = False
    """Do nothing, and raise no error, if there is no such table."""


@action("table.dropTable")
def drop_table(ctx: Context, p: DropTableParams) -> ActionResult:
    """Remove a table and its content; a table of the session goes before a global one.

    Raises:
        TableNotFound: the session sees no such table.
    """
    try:
        info = ctx.tables.drop(Name(p.name, p.caslib))
    except TableNotFound:
        if not p.quiet:
            raise
        return ActionResult()
    return ActionResult(values={"caslib": info.caslib, "tableName": info.name})
