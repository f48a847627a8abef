import csv
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidFile
from actions.files.pictures import (
    NO_IMAGES,
    Member,
    Wanted,
    member_of,
    read_archive,
    read_folder,
    rows_of,
)
from actions.files.rows import Rows
from actions.params import ActionParams, OutTable
from actions.paths import existing, inside
from actions.ports import Caslib
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows


class Distribution(ActionParams):
    """How rows are dealt to the machines of CAS; a bare string stands for the type."""

    shorthand = "type"

    type: Literal["RANDOM", "INDUCED", "RANDOM_IND"] = "RANDOM"
    """Accepted; one machine holds all rows."""


class LoadImagesParams(ActionParams):
    """Parameters of image.loadImages."""

    later: ClassVar[Mapping[str, str]] = {
        "decode": "images stay the files they were; image.processImages unpacks them",
        **dict.fromkeys(("seriesFilter", "series", "dicomAttributes"), "no DICOM files are read"),
    }

    path: str = ""
    """Folder or ZIP archive of images, inside the caslib. Left out: the caslib's own folder."""
    caslib: str | None = None
    """Caslib of the files; left out: the session's active one."""
    cas_out: OutTable | None = None
    """The table to make; left out: named as the folder."""
    recurse: bool = True
    """Whether folders in the folder are read too."""
    label_levels: int = -1
    """Which folder on the way to a file gives its label: -1 the one it lies in, -2 the one around
    that; 1 the first below ``path``, 2 the next; 0: there is no label."""
    path_is_list: bool = False
    """Whether ``path`` is a CSV file with paths of images in its first column, relative to the
    caslib or absolute and inside it. A first line that is no path of an image is a heading."""
    add_columns: tuple[Literal["WIDTH", "HEIGHT"], ...] = ()
    """More to tell of every image: either gives both ``_width_`` and ``_height_``, in pixels."""
    distribution: Distribution | None = None
    """Accepted; one machine holds all rows."""


@action("image.loadImages")
def load_images(ctx: Context, p: LoadImagesParams) -> ActionResult:
    """Make a table of a folder of images: the image, its label, its file name, its id, and more.

    Rows come in the order of paths. Hidden files, links, and files that end in .txt, .xml, .json,
    .csv and .md are left out; any other file that is no image is an error.

    Raises:
        PathForbidden: the path leads out of the caslib.
        FileNotFound: there is no such folder.
        InvalidFile: a file is no image, or there is none; the message names it.
        TableExists: the name is taken and ``replace`` is false.
    """
    caslib = ctx.caslibs.find(p.caslib)
    inner = p.path.rstrip("/")
    out = p.cas_out or OutTable(name=PurePosixPath(inner or caslib.name).stem, caslib=p.caslib)
    rows = _rows(caslib, inner, p)
    return made(store_rows(ctx, rows.schema, rows.batches, out.output))


def _rows(caslib: Caslib, inner: str, p: LoadImagesParams) -> Rows:
    wanted = Wanted(p.recurse, p.label_levels, bool(p.add_columns), NO_IMAGES)
    path = existing(caslib, inner) if inner else caslib.path
    if p.path_is_list:
        return rows_of(list(_listed(caslib, inner)), wanted)
    return read_folder(path, wanted) if path.is_dir() else read_archive(path, wanted)


def _listed(caslib: Caslib, inner: str) -> Iterator[Member]:
    """Yield the images whose paths stand in a CSV file.

    Raises:
        InvalidFile: it is no text.
        PathForbidden: a path leads out of the caslib.
        FileNotFound: there is no such file.
    """
    try:
        with existing(caslib, inner).open(newline="", encoding="utf-8-sig") as file:
            paths = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    except (UnicodeDecodeError, csv.Error, IsADirectoryError):
        raise InvalidFile(f"the list {inner!r} is no CSV file of paths", path=inner) from None
    root = caslib.path.as_posix() + "/"
    for place, path in enumerate(paths):
        relative = path.removeprefix(root)
        if place == 0 and not PurePosixPath(path).suffix and not inside(caslib, relative).is_file():
            continue
        yield member_of(existing(caslib, relative), relative)
