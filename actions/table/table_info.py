from typing import Annotated

from actions.answers import Declared, result_table
from actions.context import Context
from actions.file_link import link_of
from actions.params import ActionParams, TableName
from actions.ports import Name, TableInfo
from actions.registry import action
from actions.results import ActionResult, Cell
from engine.layers.base import Aliases

COLUMNS: Declared = (
    ("Name", "string"),
    ("Label", "string"),
    ("Rows", "int64"),
    ("Columns", "int64"),
    ("Kind", "string"),
    ("Caslib", "string"),
    ("Global", "int64"),
    ("Size", "int64"),
    ("Created", "datetime"),
    ("Job", "string"),
    ("SourceName", "string"),
    ("SourceCaslib", "string"),
)


class TableInfoParams(ActionParams):
    """Parameters of table.tableInfo."""

    name: Annotated[TableName, Aliases("table")] | None = None
    """One table; left out: all the session sees."""
    caslib: str | None = None
    """Caslib to look in; left out: the active one for a name, else all."""
    quiet: bool = False
    """Give an empty answer, and no error, if there is no such table."""


@action("table.tableInfo")
def table_info(ctx: Context, p: TableInfoParams) -> ActionResult:
    """Return the catalogue: data, models and weights, with their sizes and origins.

    Of a table that is a link, ``SourceName`` and ``SourceCaslib`` say which file its rows are read
    from, and ``Size`` is the size of that; of others both are missing.

    Raises:
        TableNotFound: the session sees no such table.
        CaslibNotFound: the session sees no such caslib.
    """
    if p.name is None:
        found = ctx.tables.list(p.caslib)
    elif p.quiet:
        caslib = p.caslib or ctx.session.active_caslib
        found = [each for each in ctx.tables.list(caslib) if each.name.lower() == p.name.lower()]
    else:
        found = [ctx.tables.find(Name(p.name, p.caslib))]
    table = result_table(COLUMNS, map(_row, found), "Table Information")
    return ActionResult(tables={"TableInfo": table})


def _row(info: TableInfo) -> tuple[Cell, ...]:
    file = link_of(info.attributes)
    return (
        info.name,
        info.label,
        info.rows,
        info.columns,
        info.kind,
        info.caslib,
        int(info.scope == "global"),
        info.size_bytes,
        info.created,
        info.job_id,
        file.path if file else None,
        file.caslib if file else None,
    )
