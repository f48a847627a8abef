"""Files of a caslib that are there whole, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

from actions.errors import InvalidFile, PathForbidden
from actions.paths import inside
from actions.ports import Caslib


def new_file(caslib: Caslib, name: str, *, replace: bool) -> Path:
    """Return the place of a file that is to be made.

    Raises:
        PathForbidden: the path leads out of the caslib, or names a folder.
        InvalidFile: the file exists and ``replace`` is false.
    """
    path = inside(caslib, name)
    if path.is_dir():
        raise PathForbidden(
            f"the path {name!r} is a folder, expected a file inside caslib {caslib.name!r}",
            path=name,
            caslib=caslib.name,
        )
    if path.exists() and not replace:
        raise InvalidFile(
            f"the file {name!r} exists in caslib {caslib.name!r}; set replace to overwrite it",
            path=name,
            caslib=caslib.name,
        )
    return path


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write under another name in the same folder, and rename when all is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{token_hex(8)}.part")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
