from datetime import UTC, datetime
from pathlib import Path
from stat import filemode

from actions.answers import Declared, result_table
from actions.columns import since_1960
from actions.context import Context
from actions.params import ActionParams
from actions.paths import inside
from actions.registry import action
from actions.results import ActionResult, Cell

COLUMNS: Declared = (
    ("Permission", "string"),
    ("Owner", "string"),
    ("Group", "string"),
    ("Name", "string"),
    ("Size", "int64"),
    ("Encryption", "string"),
    ("Time", "datetime"),
    ("ModTime", "double"),
    ("Folder", "int64"),
)
"""Those of CAS in its order, then our ``Folder``; ``ModTime`` counts seconds since 1960."""


class FileInfoParams(ActionParams):
    """Parameters of table.fileInfo."""

    caslib: str | None = None
    """Caslib to look in; left out: the session's active one."""
    path: str = ""
    """Folder or file inside it; left out: its own folder."""
    all_files: bool = False
    """Give hidden files too."""
    include_directories: bool = True
    """Give folders too."""


@action("table.fileInfo")
def file_info(ctx: Context, p: FileInfoParams) -> ActionResult:
    """Return the files of a caslib's folder, by name; none where there is no such folder.

    Owners are numbers of the system, which may have no names for them.

    Raises:
        CaslibNotFound: the session sees no such caslib.
        PathForbidden: the path leads out of it.
    """
    caslib = ctx.caslibs.find(p.caslib)
    path = p.path.rstrip("/").removesuffix("/%")
    place = inside(caslib, path) if path not in ("", "%") else caslib.path
    found = sorted(place.iterdir()) if place.is_dir() else [place]
    rows = [_row(each) for each in found if _is_wanted(each, p)]
    table = result_table(COLUMNS, rows, "File Information")
    return ActionResult(tables={"FileInfo": table})


def _is_wanted(path: Path, p: FileInfoParams) -> bool:
    if path.name.startswith(".") and not p.all_files:
        return False
    return not path.is_symlink() and (path.is_file() or (p.include_directories and path.is_dir()))


def _row(path: Path) -> tuple[Cell, ...]:
    facts = path.stat()
    changed = datetime.fromtimestamp(facts.st_mtime, UTC)
    return (
        filemode(facts.st_mode),
        str(facts.st_uid),
        str(facts.st_gid),
        path.name,
        facts.st_size,
        "",
        changed,
        since_1960(changed),
        int(path.is_dir()),
    )
