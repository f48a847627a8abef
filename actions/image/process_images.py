from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from actions.answers import made
from actions.context import Context
from actions.image.functions import ImageFunction
from actions.image.rows import IMAGE, Pictures, Row, batches, open_pictures
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.data.images import decode_picture, encode_picture
from engine.layers.base import Aliases


class ProcessImagesParams(ActionParams):
    """Parameters of image.processImages."""

    later: ClassVar[Mapping[str, str]] = {
        "contourTable": "no function finds contours",
        "imagesOut": "'casOut' says which table is made",
    }

    table: Annotated[TableRef, Aliases("imageTable", "images")]
    """The table to read."""
    image: str = IMAGE
    """Column of the images."""
    cas_out: OutTable
    """The table to make; with ``replace`` it may have the name of the table itself."""
    copy_vars: tuple[Variable, ...] = ()
    """Columns that are copied besides those about the image; ``all`` for every one."""
    image_functions: Annotated[tuple[ImageFunction, ...], Field(min_length=1)]
    """What is done, one step after the other."""
    decode: bool = False
    """Whether the new images are unpacked (PGM, PPM): larger, and read at once when a network is
    trained or scores."""


@action("image.processImages")
def process_images(ctx: Context, p: ProcessImagesParams) -> ActionResult:
    """Change the images of a table: size, window, colours, values.

    The new images are PNG files, which lose nothing, or unpacked: upright, 8 bits, of one channel
    or three. The columns ``_id_``, ``_label_``, ``_path_``, ``_type_``, ``_size_`` and
    ``_filename_0`` go with them where the table has them; rows without an image are left out.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images, or a function is not among those below.
        DataError: a cell is no readable image, or a window does not lie in one.
        TableExists: the name is taken and ``replace`` is false.
    """
    pictures = open_pictures(ctx, p.table, p.image, [each.name for each in p.copy_vars])
    schema = pa.schema(pictures.fields())
    kind = "PPM" if p.decode else "PNG"
    rows = batches(_changed(pictures, p.image_functions, kind), schema, pictures.image)
    return made(store_rows(ctx, schema, rows, p.cas_out.output))


def _changed(pictures: Pictures, functions: tuple[ImageFunction, ...], kind: str) -> Iterator[Row]:
    for each in pictures.read():
        picture = decode_picture(each.data, row=each.number, column=pictures.image)
        place = f"column {pictures.image!r}, row {each.number}"
        for function in functions:
            picture = function.options.change(picture, place)
        yield pictures.with_image(each, encode_picture(picture, kind), kind)
