from pathlib import Path
from typing import Annotated

from actions.answers import Declared, result_table
from actions.context import Context
from actions.errors import PathForbidden
from actions.params import ActionParams, TableName
from actions.ports import Caslib, Scope
from actions.registry import action
from actions.results import ActionResult, Cell, ResultTable
from engine.layers.base import Aliases

COLUMNS: Declared = (
    ("Name", "string"),
    ("Type", "string"),
    ("Description", "string"),
    ("Path", "string"),
    ("Active", "int64"),
    ("Global", "int64"),
)


class AddCaslibParams(ActionParams):
    """Parameters of table.addCaslib."""

    later = ("dataSource", "subDirectories", "createDirectory", "hidden", "transient")

    name: Annotated[TableName, Aliases("caslib")]
    """Name of the caslib."""
    path: str
    """Folder, inside one of the folders the server allows caslibs in."""
    description: str = ""
    """A line that describes the caslib."""
    session: bool = True
    """Whether only this session sees it."""
    active_on_add: bool = True
    """Make it the session's active caslib."""


@action("table.addCaslib")
def add_caslib(ctx: Context, p: AddCaslibParams) -> ActionResult:
    """Give a folder of the server a name, under which files are loaded and saved.

    Raises:
        PathForbidden: the folder lies outside those the server allows, or is none.
        Conflict: the name is taken.
    """
    folder = _allowed(ctx, p.path)
    scope: Scope = "session" if p.session else "global"
    caslib = ctx.caslibs.add(Caslib(p.name, folder, scope, p.description))
    session = ctx.session
    if p.active_on_add:
        session = ctx.sessions.activate(session.id, session.user, caslib.name)
    return ActionResult(tables={"CASLibInfo": caslib_table([caslib], session.active_caslib)})


def _allowed(ctx: Context, path: str) -> Path:
    """Return a folder if it lies in an allowed one; links are followed first."""
    if "\0" not in path and Path(path).is_absolute():
        real = Path(path).resolve()
        roots = [root.resolve() for root in ctx.caslib_roots]
        if any(real.is_relative_to(root) for root in roots) and real.is_dir():
            return real
    raise PathForbidden(
        f"the path {path!r} is no folder the server allows caslibs in, expected one inside "
        f"{', '.join(map(str, ctx.caslib_roots)) or 'none: it allows none'}",
        path=path,
    )


def caslib_table(caslibs: list[Caslib], active: str) -> ResultTable:
    """Return the table ``CASLibInfo``."""
    rows: list[tuple[Cell, ...]] = [
        (
            each.name,
            "PATH",
            each.description,
            f"{each.path}/",
            int(each.name.lower() == active.lower()),
            int(each.scope == "global"),
        )
        for each in caslibs
    ]
    return result_table(COLUMNS, rows, "Caslib Information")
