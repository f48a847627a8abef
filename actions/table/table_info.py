from datetime import UTC, datetime
from typing import Annotated

from actions.answers import Declared, result_table
from actions.columns import since_1960
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
    ("IndexedColumns", "int64"),
    ("Encoding", "string"),
    ("CreateTimeFormatted", "string"),
    ("ModTimeFormatted", "string"),
    ("AccessTimeFormatted", "string"),
    ("JavaCharSet", "string"),
    ("CreateTime", "double"),
    ("ModTime", "double"),
    ("AccessTime", "double"),
    ("Global", "int64"),
    ("Repeated", "int64"),
    ("View", "int64"),
    ("MultiPart", "int64"),
    ("SourceName", "string"),
    ("SourceCaslib", "string"),
    ("Compressed", "int64"),
    ("Creator", "string"),
    ("Modifier", "string"),
    ("SourceModTimeFormatted", "string"),
    ("SourceModTime", "double"),
    ("Kind", "string"),
    ("Caslib", "string"),
    ("Size", "int64"),
    ("Created", "datetime"),
    ("Job", "string"),
)
"""Those of CAS in its order, then five of ours."""

TITLE = "Table Information"

EVERYWHERE = "*"
"""As ``caslib``: all that the session sees."""


class TableInfoParams(ActionParams):
    """Parameters of table.tableInfo."""

    name: Annotated[TableName, Aliases("table")] | None = None
    """One table; left out: all of the caslib."""
    caslib: str | None = None
    """Caslib to look in; left out: the session's active one; ``*``: all the session sees."""
    quiet: bool = False
    """Give an empty answer, and no error, if there is no such table."""


@action("table.tableInfo")
def table_info(ctx: Context, p: TableInfoParams) -> ActionResult:
    """Return the catalogue: data, models and weights, with their sizes and origins.

    ``Name`` is in upper case, as in CAS; case does not count in names. The three times are the
    same: what is stored does not change, and who reads it leaves no trace.

    Of a table that is a link, ``SourceName`` and ``SourceCaslib`` say which file its rows are read
    from, and ``Size`` is the size of that; of others both are missing.

    Raises:
        TableNotFound: the session sees no such table.
        CaslibNotFound: the session sees no such caslib.
    """
    caslib = p.caslib or ctx.session.active_caslib
    if p.name is None or p.quiet:
        found = ctx.tables.list(None if caslib == EVERYWHERE else caslib)
        name = None if p.name is None else p.name.lower()
        found = [each for each in found if name in (None, each.name.lower())]
    else:
        found = [ctx.tables.find(Name(p.name, p.caslib))]
    table = result_table(COLUMNS, (_row(each, ctx.session.user) for each in found), TITLE)
    return ActionResult(tables={"TableInfo": table})


def _row(info: TableInfo, user: str) -> tuple[Cell, ...]:
    file = link_of(info.attributes)
    moment = info.created.astimezone(UTC)
    seconds, shown = since_1960(moment), f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"
    changed = datetime.fromtimestamp(file.modified_ns / 1e9, UTC) if file else None
    return (
        info.name.upper(),
        info.label,
        info.rows,
        info.columns,
        0,
        "utf-8",
        *(shown, shown, shown),
        "UTF8",
        *(seconds, seconds, seconds),
        int(info.scope == "global"),
        0,
        0,
        0,
        file.path if file else None,
        file.caslib if file else None,
        0,
        user,
        "",
        f"{changed:%Y-%m-%dT%H:%M:%S}+00:00" if changed else "",
        since_1960(changed) if changed else None,
        info.kind,
        info.caslib,
        info.size_bytes,
        info.created,
        info.job_id,
    )
