from typing import Annotated

from actions.answers import made
from actions.context import Context
from actions.params import ActionParams, TableName
from actions.ports import Name, Output
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class PromoteParams(ActionParams):
    """Parameters of table.promote."""

    name: Annotated[TableName, Aliases("table")]
    """The table, of any kind."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""
    target: TableName | None = None
    """Its name as a global table; left out: the same."""
    target_lib: Annotated[str | None, Aliases("targetCaslib")] = None
    """Its caslib as a global table; left out: the same."""
    replace: bool = False
    """Replace a global table of that name."""


@action("table.promote")
def promote(ctx: Context, p: PromoteParams) -> ActionResult:
    """Make a table of the session visible to all sessions.

    Raises:
        TableNotFound: the session sees no such table.
        TableExists: the table is global already, or the name is taken and ``replace`` is false.
    """
    target = Name(p.target or p.name, p.target_lib or p.caslib)
    return made(ctx.tables.promote(Name(p.name, p.caslib), Output(target, replace=p.replace)))
