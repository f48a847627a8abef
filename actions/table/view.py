from typing import Annotated

from pydantic import Field

from actions.answers import output_tables
from actions.context import Context
from actions.params import ActionParams, OutTable, TableName, TableRef
from actions.registry import action
from actions.results import ActionResult
from actions.table.partition import copied
from engine.errors import NotSupportedError


class ViewParams(ActionParams):
    """Parameters of table.view."""

    later = dict.fromkeys(
        ("joins", "keys", "star"), "a view shows one table; join several with fedSql.execDirect"
    )

    name: TableName
    """Name of the view."""
    caslib: str | None = None
    """Caslib of the view; left out: the session's active one."""
    tables: Annotated[tuple[TableRef, ...], Field(min_length=1)]
    """The table it shows, with the ``where``, ``vars`` and computed columns of what is shown."""
    replace: bool = False
    """Replace a table of that name."""
    promote: bool = False
    """Make the view visible to all sessions."""


@action("table.view")
def view(ctx: Context, p: ViewParams) -> ActionResult:
    """Give a part of a table a name; it holds the rows of the moment and does not follow changes.

    Raises:
        TableNotFound: the session sees no such table.
        TableExists: the name is taken and ``replace`` is false.
        NotSupportedError: several tables are given.
    """
    if len(p.tables) > 1:
        raise NotSupportedError(
            f"parameter 'tables' got {len(p.tables)} tables, which is not supported yet; expected "
            "one, or join them with deepLearn.dlJoin or fedSql.execDirect",
            parameter="tables",
        )
    out = OutTable(name=p.name, caslib=p.caslib, replace=p.replace, promote=p.promote)
    info = copied(ctx, p.tables[0], out)
    return ActionResult(
        tables={"OutputCasTables": output_tables(info)},
        values={"caslib": info.caslib, "viewName": info.name},
    )
