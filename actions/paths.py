"""Paths inside caslibs; none leads out.

A path is relative to its caslib's folder and written with ``/``. What is refused is refused before
the file system is asked, except links: they are followed, and must end inside the folder.
"""

import os
from pathlib import Path, PurePosixPath

from actions.errors import FileNotFound, PathForbidden
from actions.fields import nearest
from actions.ports import Caslib

LONGEST = 1024
"""Characters in a path."""

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)]
)
"""Names that are devices on some systems, with any ending."""


def inside(caslib: Caslib, path: str) -> Path:
    """Return the place of a path of a caslib; it need not exist.

    Raises:
        PathForbidden: the path is empty, absolute, climbs with ``..``, holds a NUL, a backslash, a
            colon or a device name, or follows a link out of the folder.
    """
    reason = _fault(path)
    if reason is not None:
        raise _forbidden(caslib, path, reason)
    root = Path(os.path.realpath(caslib.path))
    real = Path(os.path.realpath(root / path))
    if not real.is_relative_to(root):
        raise _forbidden(caslib, path, "leads out of the caslib's folder")
    if real.exists() and not (real.is_file() or real.is_dir()):
        raise _forbidden(caslib, path, "is neither a file nor a folder")
    return real


def existing(caslib: Caslib, path: str) -> Path:
    """Return the place of a file or folder of a caslib.

    Raises:
        PathForbidden: as :func:`inside`.
        FileNotFound: there is no such file; the message names the nearest.
    """
    found = inside(caslib, path)
    if not found.exists():
        known = [each.name for each in found.parent.iterdir()] if found.parent.is_dir() else []
        near = nearest(found.name, known)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise FileNotFound(
            f"caslib {caslib.name!r} has no file {path!r}{hint}",
            path=path,
            caslib=caslib.name,
            nearest=near,
        )
    return found


def _fault(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    if not path.strip() or not parts:
        return "is empty"
    if len(path) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if not path.isprintable() or "\\" in path or ":" in path:
        return "holds a character that is not allowed"
    if path.startswith(("/", "~")):
        return "is not relative"
    if ".." in parts:
        return "climbs with '..'"
    if any(part.split(".")[0].strip().lower() in _DEVICES for part in parts):
        return "names a device"
    return None


def _forbidden(caslib: Caslib, path: str, reason: str) -> PathForbidden:
    shown = path if len(path) <= LONGEST else path[:40] + "..."
    return PathForbidden(
        f"the path {shown!r} {reason}, expected a path inside caslib {caslib.name!r}",
        path=shown,
        caslib=caslib.name,
    )
