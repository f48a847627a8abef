from pathlib import PurePosixPath
from typing import Literal

from actions.answers import made
from actions.context import Context
from actions.files.pictures import read_archive, read_folder
from actions.params import ActionParams, OutTable
from actions.paths import existing
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows


class LoadImagesParams(ActionParams):
    """Parameters of image.loadImages."""

    later = ("decode", "distribution", "addColumns", "seriesFilter", "series", "dicomAttributes")

    path: str = ""
    """Folder or ZIP archive of images, inside the caslib; sub-folders are labels. Left out: the
    caslib's own folder."""
    caslib: str | None = None
    """Caslib of the files; left out: the session's active one."""
    cas_out: OutTable | None = None
    """The table to make; left out: named as the folder."""
    recurse: Literal[True] = True
    """Folders in the folder are read too."""
    label_levels: Literal[1, -1] = 1
    """The label is the name of the folder a file lies in; -1 says the same."""


@action("image.loadImages")
def load_images(ctx: Context, p: LoadImagesParams) -> ActionResult:
    """Make a table of a folder of images: the image, its label, its file name, its id.

    Raises:
        PathForbidden: the path leads out of the caslib.
        FileNotFound: there is no such folder.
        InvalidFile: a file is no image; the message names it.
        TableExists: the name is taken and ``replace`` is false.
    """
    caslib = ctx.caslibs.find(p.caslib)
    inner = p.path.rstrip("/")
    path = existing(caslib, inner) if inner else caslib.path
    out = p.cas_out or OutTable(name=PurePosixPath(inner or caslib.name).stem, caslib=p.caslib)
    rows = read_folder(path) if path.is_dir() else read_archive(path)
    return made(store_rows(ctx, rows.schema, rows.batches, out.output))
