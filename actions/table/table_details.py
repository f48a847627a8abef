from typing import Annotated

from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams, TableName
from actions.ports import Name
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases

COLUMNS: Declared = (
    ("Node", "string"),
    ("Rows", "int64"),
    ("DataSize", "int64"),
    ("VardataSize", "int64"),
    ("AllocatedMemory", "int64"),
    ("DeletedRows", "int64"),
)


class TableDetailsParams(ActionParams):
    """Parameters of table.tableDetails."""

    name: Annotated[TableName, Aliases("table")]
    """The table, of any kind."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""


@action("table.tableDetails")
def table_details(ctx: Context, p: TableDetailsParams) -> ActionResult:
    """Return the storage of a table in bytes.

    Tables lie in the store and not in memory, so nothing is allocated.

    Raises:
        TableNotFound: the session sees no such table.
    """
    info = ctx.tables.find(Name(p.name, p.caslib))
    row = ("ALL", info.rows, info.size_bytes, 0, 0, 0)
    return ActionResult(
        tables={"TableDetails": result_table(COLUMNS, [row], f"Detail Information for {info.name}")}
    )
