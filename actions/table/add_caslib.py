from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from actions.answers import Declared, result_table
from actions.context import Context
from actions.errors import PathForbidden
from actions.params import ActionParams, TableName
from actions.ports import Caslib, Scope
from actions.registry import action
from actions.results import ActionResult, Cell, ResultTable
from engine.errors import NotSupportedError
from engine.layers.base import Aliases

COLUMNS: Declared = (
    ("Name", "string"),
    ("Type", "string"),
    ("Description", "string"),
    ("Path", "string"),
    ("Definition", "string"),
    ("Subdirs", "double"),
    ("Local", "double"),
    ("Active", "double"),
    ("Personal", "double"),
    ("Hidden", "double"),
    ("Transient", "double"),
    ("Global", "double"),
)
"""Those of CAS in its order, then our ``Global``."""

PERSONAL = "CASUSER"
"""The caslib that every user has."""

SourceType = Literal["PATH", "DNFS", "HDFS"]


class DataSource(ActionParams):
    """Where the files of a caslib are."""

    src_type: SourceType = "PATH"
    """PATH: a folder of the server; of the others there are none."""


class AddCaslibParams(ActionParams):
    """Parameters of table.addCaslib."""

    later: ClassVar[Mapping[str, str]] = {
        "createDirectory": "folders are made outside the server",
        "hidden": "every caslib is listed",
        "transient": "a caslib is there until it is dropped",
    }

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
    data_source: DataSource = DataSource()
    """Kind of the caslib."""
    sub_directories: Annotated[bool, Aliases("subDirs")] = True
    """Accepted; folders inside the folder are always reached."""


@action("table.addCaslib")
def add_caslib(ctx: Context, p: AddCaslibParams) -> ActionResult:
    """Give a folder of the server a name, under which files are loaded and saved.

    Raises:
        PathForbidden: the folder lies outside those the server allows, or is none.
        NotSupportedError: ``dataSource`` is no folder.
        Conflict: the name is taken.
    """
    if p.data_source.src_type != "PATH":
        raise NotSupportedError(
            f"parameter 'dataSource.srcType' got {p.data_source.src_type!r}, which is not "
            "supported yet; expected 'PATH'",
            parameter="dataSource.srcType",
        )
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
            f"{each.path}/".replace("//", "/"),
            "",
            1.0,
            float(each.scope != "global"),
            float(each.name.lower() == active.lower()),
            float(each.name.upper() == PERSONAL),
            0.0,
            0.0,
            float(each.scope == "global"),
        )
        for each in caslibs
    ]
    return result_table(COLUMNS, rows, "Caslib Information")
