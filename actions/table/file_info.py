from datetime import UTC, datetime
from pathlib import Path

from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.paths import existing
from actions.registry import action
from actions.results import ActionResult, Cell

COLUMNS: Declared = (
    ("Name", "string"),
    ("Size", "int64"),
    ("Folder", "int64"),
    ("Time", "datetime"),
)


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
    """Return the files of a caslib's folder, by name.

    Raises:
        CaslibNotFound: the session sees no such caslib.
        PathForbidden: the path leads out of it.
        FileNotFound: there is no such file or folder.
    """
    caslib = ctx.caslibs.find(p.caslib)
    place = existing(caslib, p.path) if p.path else caslib.path
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
    return path.name, facts.st_size, int(path.is_dir()), changed
