from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidParameters
from actions.files.rows import MOST_COLUMNS
from actions.image.rows import BATCH_BYTES, IMAGE, Picture, Pictures, open_pictures
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.data.images import decode_picture
from engine.data.retouch import LONGEST_SIDE, resize
from engine.layers.base import Aliases

Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
Shape = tuple[int, int, int]
Flat = tuple[list[object], npt.NDArray[np.uint8]]
"""What is copied of a row, and the values of its image."""


class FlattenImagesParams(ActionParams):
    """Parameters of image.flattenImages."""

    table: Annotated[TableRef, Aliases("imageTable", "images")]
    """The table to read."""
    image: str = IMAGE
    """Column of the images."""
    cas_out: OutTable
    """The table to make."""
    copy_vars: tuple[Variable, ...] = ()
    """Columns that are copied besides those about the image; ``all`` for every one."""
    width: Side | None = None
    """Pixels across that images are resized to; left out: those of the first image."""
    height: Side | None = None
    """Pixels down, likewise."""
    group_channels: bool = False
    """Whether all of one channel comes before the next, and not the channels of each pixel."""


@action("image.flattenImages")
def flatten_images(ctx: Context, p: FlattenImagesParams) -> ActionResult:
    """Make a table with a column for every value of every pixel: ``c1``, ``c2`` and so on.

    Pixels come row by row, their channels blue, green, red. The first image says how many channels
    there are; others are converted. Rows without an image are left out.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images, or these have too many pixels for columns.
        DataError: a cell is no readable image.
        TableExists: the name is taken and ``replace`` is false.
    """
    pictures = open_pictures(ctx, p.table, p.image, [each.name for each in p.copy_vars])
    images = pictures.read()
    first = next(images, None)
    shape = (p.height or 1, p.width or 1, 1) if first is None else _shape(first, pictures.image, p)
    count = shape[0] * shape[1] * shape[2]
    if count > MOST_COLUMNS:
        raise InvalidParameters(
            f"the images of {pictures.table.label} have {count} values each, expected at most "
            f"{MOST_COLUMNS}; give a smaller width and height",
            values=count,
            limit=MOST_COLUMNS,
        )
    values = [pa.field(f"c{place}", pa.uint8()) for place in range(1, count + 1)]
    schema = pa.schema([*pictures.fields()[1:], *values])
    rows = _flat(
        pictures, chain([] if first is None else [first], images), shape, group=p.group_channels
    )
    return made(store_rows(ctx, schema, _batches(rows, schema, count), p.cas_out.output))


def _shape(first: Picture, column: str, p: FlattenImagesParams) -> Shape:
    picture = decode_picture(first.data, row=first.number, column=column)
    return (p.height or picture.height, p.width or picture.width, len(picture.getbands()))


def _flat(
    pictures: Pictures, images: Iterator[Picture], shape: Shape, *, group: bool
) -> Iterator[Flat]:
    """Yield what is copied of an image, and its values."""
    height, width, channels = shape
    for each in images:
        picture = decode_picture(each.data, row=each.number, column=pictures.image)
        picture = resize(picture.convert("L" if channels == 1 else "RGB"), width, height)
        values = np.atleast_3d(np.asarray(picture))[:, :, ::-1]
        flat = values.transpose(2, 0, 1) if group else values
        yield [each.row[name] for name in pictures.copied], flat.reshape(-1)


def _batches(rows: Iterator[Flat], schema: pa.Schema, count: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of a few MB."""
    while held := list(islice(rows, max(1, BATCH_BYTES // count))):
        copied = list(zip(*(each for each, _ in held), strict=True))
        values = np.stack([each for _, each in held])
        arrays = [pa.array(list(c), f.type) for c, f in zip(copied, schema, strict=False)]
        arrays += [pa.array(column) for column in values.T]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
