from collections import Counter
from typing import Annotated

import numpy as np

from actions.answers import result_table
from actions.context import Context
from actions.image.rows import IMAGE, Picture, open_pictures
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult, Cell, ColumnType
from engine.data.images import decode_picture, picture_kind
from engine.layers.base import Aliases

CHANNELS = ("1st", "2nd", "3rd")


class SummarizeImagesParams(ActionParams):
    """Parameters of image.summarizeImages."""

    table: Annotated[TableRef, Aliases("imageTable", "images")]
    """The table to read."""
    image: str = IMAGE
    """Column of the images."""


@action("image.summarizeImages")
def summarize_images(ctx: Context, p: SummarizeImagesParams) -> ActionResult:
    """Tell how many images of which kind a column has, their sizes, and the values of channels.

    The channels are blue, green and red, in this order, as an input layer takes them; a grey image
    counts as one with three equal channels. Means of channels are over all pixels of all images.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images.
        DataError: a cell is no readable image.
    """
    pictures = open_pictures(ctx, p.table, p.image)
    tally = _Tally()
    for each in pictures.read():
        tally.add(each, pictures.image)
    cells = [("Column", "string", pictures.image), *tally.cells()]
    table = result_table(
        [(name, kind) for name, kind, _ in cells],
        [[cell for _, _, cell in cells]],
        f"Summary of Images in Table {pictures.table.info.name.upper()}",
    )
    return ActionResult(tables={"Summary": table})


class _Tally:
    """What was counted so far.

    Attributes:
        sizes: of widths and heights, the least, the largest, the sum.
        values: of every channel the sum, the least, the largest.
    """

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.images = 0
        self.pixels = 0
        self.sizes = dict.fromkeys(("Width", "Height"), (1 << 62, 0, 0))
        self.values = dict.fromkeys(CHANNELS, (0, 255, 0))

    def add(self, each: Picture, column: str) -> None:
        picture = decode_picture(each.data, row=each.number, column=column)
        self.kinds[picture_kind(each.data, row=each.number, column=column)] += 1
        self.images += 1
        self.pixels += picture.width * picture.height
        for side, length in (("Width", picture.width), ("Height", picture.height)):
            least, most, total = self.sizes[side]
            self.sizes[side] = (min(least, length), max(most, length), total + length)
        bands = picture.split()[::-1] * (3 // len(picture.getbands()))
        for name, band in zip(CHANNELS, bands, strict=True):
            values = np.asarray(band)
            total, least, most = self.values[name]
            self.values[name] = (
                total + int(values.sum(dtype=np.int64)),
                min(least, int(values.min())),
                max(most, int(values.max())),
            )

    def cells(self) -> list[tuple[str, ColumnType, Cell]]:
        """Return names, types and values of the summary."""
        found: list[tuple[str, ColumnType, Cell]] = [
            (kind, "int64", count) for kind, count in sorted(self.kinds.items())
        ]
        n = self.images
        for side, (least, most, _) in self.sizes.items():
            found += [
                (f"min{side}", "double", float(least) if n else None),
                (f"max{side}", "double", float(most) if n else None),
            ]
        found += [
            (f"mean{side}", "double", total / n if n else None)
            for side, (_, _, total) in self.sizes.items()
        ]
        for name, (total, least, most) in self.values.items():
            found += [
                (f"mean{name}Channel", "double", total / self.pixels if n else None),
                (f"min{name}Channel", "double", float(least) if n else None),
                (f"max{name}Channel", "double", float(most) if n else None),
            ]
        return found
