from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from PIL import Image
from pydantic import Field

from actions.answers import made
from actions.context import Context
from actions.fields import camel
from actions.image.rows import IMAGE, Picture, Pictures, Row, batches, open_pictures
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.data.images import decode_picture, encode_picture
from engine.data.retouch import LONGEST_SIDE, MUTATIONS, Dice, Mutation, resize
from engine.layers.base import Aliases

Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
Place = Annotated[int, Field(ge=0)]
Box = tuple[int, int, int, int]

NEW: list["pa.Field[pa.DataType]"] = [
    pa.field("_id_", pa.int64()),
    pa.field("_parentId_", pa.int64()),
    *(pa.field(name, pa.int64()) for name in ("x", "y", "width", "height")),
]
"""What is told of every new image: its id, that of the image it is from, and its window."""


class ChangedCopies(ActionParams):
    """Which changed copies are made."""

    color_jittering: bool = False
    """Saturation, contrast and brightness, each by a factor within 0.2 of 1."""
    color_shifting: bool = False
    """Every channel by a number from -32 to 32."""
    darken: bool = False
    """Values are 0.7 of what they were."""
    horizontal_flip: bool = False
    """Left to right."""
    invert_pixels: bool = False
    """Values are 255 less what they were."""
    lighten: bool = False
    """The distance of values from 255 is 0.7 of what it was."""
    pyramid_down: bool = False
    """Smoothed and of half the size."""
    pyramid_up: bool = False
    """Of double the size and smoothed."""
    rotate_left: bool = False
    """By 90 degrees."""
    rotate_right: bool = False
    """By 90 degrees."""
    sharpen: bool = False
    """By the differences to the four neighbours."""
    vertical_flip: bool = False
    """Upside down."""

    @property
    def chosen(self) -> list[Mutation]:
        """The names of those that are true, in the spelling of the wire."""
        given = [camel(name) for name in type(self).model_fields if getattr(self, name)]
        return [each for each in MUTATIONS if each in given]


class Crop(ActionParams):
    """Windows of every image, and what is made of each."""

    x: Place = 0
    """Left edge of the window, in pixels; of the first one if there are several."""
    y: Place = 0
    """Upper edge, likewise."""
    width: Side | None = None
    """Pixels across; left out: all that is right of ``x``."""
    height: Side | None = None
    """Pixels down; left out: all that is below ``y``."""
    use_whole_image: bool = False
    """The whole image is the window, whatever the other parameters say."""
    sweep_image: bool = False
    """Whether the window is moved over the image, row by row."""
    step_size: Side | None = None
    """Pixels from one window to the next, across and down; left out: ``width`` and ``height``."""
    output_width: Side | None = None
    """Pixels across that results are resized to; left out: they keep their size."""
    output_height: Side | None = None
    """Pixels down, likewise."""
    mask: bool = False
    """The result is the whole image with the window blackened, and not the window alone. Windows
    that sweep may then reach over the right and the lower edge."""
    mutations: ChangedCopies | None = None
    """Changed copies that are made beside the result itself."""

    def boxes(self, size: tuple[int, int]) -> Iterator[Box]:
        """Yield the windows of an image of some width and height; none that does not fit in."""
        if self.use_whole_image:
            yield 0, 0, *size
            return
        width, height = self.width or size[0] - self.x, self.height or size[1] - self.y
        if not self.sweep_image:
            if self.x + width <= size[0] and self.y + height <= size[1]:
                yield self.x, self.y, width, height
            return
        ends = [
            each if self.mask else each - side + 1
            for each, side in zip(size, (width, height), strict=True)
        ]
        for y in range(self.y, ends[1], self.step_size or max(height, 1)):
            for x in range(self.x, ends[0], self.step_size or max(width, 1)):
                yield x, y, width, height

    def cut(self, image: Image.Image, box: Box) -> Image.Image:
        """Return the window of an image, or the image without it."""
        left, top, width, height = box
        if not self.mask:
            return image.crop((left, top, left + width, top + height))
        covered = image.copy()
        covered.paste(0, (left, top, left + width, top + height))
        return covered


class AddColumns(ActionParams):
    """What else is told of the new images."""

    augment_attributes: tuple[
        Literal["PATCH_X", "PATCH_Y", "PATCH_WIDTH", "PATCH_HEIGHT"], ...
    ] = ()
    """Accepted; all four are always told, as ``x``, ``y``, ``width`` and ``height``."""


class AugmentImagesParams(ActionParams):
    """Parameters of image.augmentImages."""

    later: ClassVar[Mapping[str, str]] = {
        "decode": "new images are files; image.processImages unpacks them",
    }

    table: Annotated[TableRef, Aliases("imageTable", "images")]
    """The table to read."""
    image: str = IMAGE
    """Column of the images."""
    cas_out: OutTable
    """The table to make; with ``replace`` it may have the name of the table itself."""
    copy_vars: tuple[Variable, ...] = ()
    """Columns that are copied besides those about the image; ``all`` for every one."""
    crop_list: Annotated[tuple[Crop, ...], Field(min_length=1)] = (Crop(use_whole_image=True),)
    """Windows of every image, and what is made of each."""
    write_randomly: bool = False
    """Whether each result is only kept by chance."""
    random_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    """With ``writeRandomly``, the probability of keeping one."""
    seed: int | None = None
    """Gives the same results again; left out: others each time. Ours."""
    add_columns: AddColumns | None = None
    """Accepted; windows are always told, as ``x``, ``y``, ``width`` and ``height``."""


@action("image.augmentImages")
def augment_images(ctx: Context, p: AugmentImagesParams) -> ActionResult:
    """Make new images of those of a table: windows, mirrored ones, other colours.

    Every window of every entry of ``cropList`` gives one image, and one more for every mutation. A
    new image has an ``_id_`` of its own, that of the image it is from in ``_parentId_`` (without
    ``_id_``, its row counted from 1), and its window in ``x``, ``y``, ``width`` and ``height``. The
    images are PNG files, which lose nothing.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images.
        DataError: a cell is no readable image.
        TableExists: the name is taken and ``replace`` is false.
    """
    pictures = open_pictures(ctx, p.table, p.image, [each.name for each in p.copy_vars])
    new = {field.name.lower() for field in NEW}
    schema = pa.schema([*pictures.fields(without=new), *NEW])
    rows = batches(_results(pictures, p), schema, pictures.image)
    return made(store_rows(ctx, schema, rows, p.cas_out.output))


def _results(pictures: Pictures, p: AugmentImagesParams) -> Iterator[Row]:
    dice = Dice(p.seed)
    share = p.random_ratio if p.write_randomly else 1.0
    count = 0
    for each in pictures.read():
        parent = _id(each)
        picture = decode_picture(each.data, row=each.number, column=pictures.image)
        for box, result in _variants(picture, p.crop_list, dice, share):
            count += 1
            place = dict(zip(("x", "y", "width", "height"), box, strict=True))
            row = pictures.with_image(each, encode_picture(result))
            yield {**row, "_id_": count, "_parentId_": parent, **place}


def _variants(
    picture: Image.Image, crops: tuple[Crop, ...], dice: Dice, share: float
) -> Iterator[tuple[Box, Image.Image]]:
    """Yield the results of an image that are kept, with their windows."""
    for crop in crops:
        mutations = crop.mutations.chosen if crop.mutations else []
        for box in crop.boxes(picture.size):
            for mutation in (None, *mutations):
                if not dice.keeps(share):
                    continue
                result = crop.cut(picture, box)
                result = result if mutation is None else dice.mutate(result, mutation)
                size = (crop.output_width or result.width, crop.output_height or result.height)
                yield box, resize(result, *size)


def _id(each: Picture) -> int:
    found = next((value for name, value in each.row.items() if name.lower() == "_id_"), None)
    return each.number + 1 if found is None else int(found)
