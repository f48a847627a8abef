from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.files.whole import new_file, write_whole
from actions.image.rows import IMAGE, Picture, open_pictures
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.data.images import FORMATS, decode_picture, encode_picture, picture_kind
from engine.layers.base import Aliases

LABEL = "_label_"
ENDINGS = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"} | {
    f".{name.lower()}": name for name in FORMATS
}
"""The format of a file by its ending."""


class SavedImages(ActionParams):
    """The images that are saved."""

    table: TableRef
    """The table."""
    image: str = IMAGE
    """Its column of images."""
    path: str = "_path_"
    """Its column of names of files, of which the last part counts."""


class SaveImagesParams(ActionParams):
    """Parameters of image.saveImages."""

    images: SavedImages
    """The images that are saved."""
    caslib: str | None = None
    """Caslib of the files; left out: the session's active one."""
    sub_directory: Annotated[str, Aliases("path")] = ""
    """Folder inside the caslib; left out: the caslib's own."""
    label_levels: Literal[0, 1, -1] = 0
    """With 1 or -1 a file lies in a folder named as its label, with 0 in none."""
    prefix: str = ""
    """Put in front of the names of files."""
    replace: bool = False
    """Replace files of these names."""


@action("image.saveImages")
def save_images(ctx: Context, p: SaveImagesParams) -> ActionResult:
    """Write the images of a table to files of a caslib, in folders named as their labels.

    A file has the format its ending says; an image that has another is converted, and one whose
    name has no ending gets that of its format.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images, the other no names, or an ending belongs to
            no format that can be written.
        PathForbidden: a name leads out of the caslib.
        InvalidFile: a file exists and ``replace`` is false.
        DataError: a cell is no readable image.
    """
    caslib = ctx.caslibs.find(p.caslib)
    more = [p.images.path, *([LABEL] if p.label_levels else [])]
    pictures = open_pictures(ctx, p.images.table, p.images.image, more)
    schema = pictures.table.schema
    column, *labels = (resolve(name, schema.names, pictures.table.label) for name in more)
    if not pa.types.is_string(schema.field(column).type):
        raise InvalidParameters(
            f"parameter 'images.path' got column {column!r}, which holds no text, expected names "
            "of files",
            parameter="images.path",
            column=column,
        )
    saved = 0
    for each in pictures.read():
        name, data = _file(each, pictures.image, column)
        folder = PurePosixPath(p.sub_directory, *(_folder(each.row[label]) for label in labels))
        path = new_file(caslib, str(folder / f"{p.prefix}{name}"), replace=p.replace)
        write_whole(path, lambda part, data=data: _write(part, data))  # type: ignore[misc]
        saved += 1
    ctx.note(f"{saved} images were saved in caslib {caslib.name}.")
    return ActionResult(values={"caslib": caslib.name, "images": saved})


def _folder(label: object) -> str:
    return "" if label is None else str(label).replace("/", "_")


def _write(part: Path, data: bytes) -> None:
    part.write_bytes(data)


def _file(each: Picture, image: str, column: str) -> tuple[str, bytes]:
    """Return the name of an image's file, and what is in it."""
    kind = picture_kind(each.data, row=each.number, column=image)
    given = PurePosixPath(str(each.row[column] or each.number + 1)).name
    ending = PurePosixPath(given).suffix.lower()
    if not ending:
        return f"{given}.{kind}", each.data
    format_ = ENDINGS.get(ending)
    if format_ is None:
        raise InvalidParameters(
            f"row {each.number} of column {column!r} names the file {given!r}, expected one that "
            f"ends in {', '.join(ENDINGS)}",
            parameter="images.path",
            row=each.number,
        )
    if format_ == ENDINGS[f".{kind}"]:
        return given, each.data
    picture = decode_picture(each.data, row=each.number, column=image)
    return given, encode_picture(picture, format_)
