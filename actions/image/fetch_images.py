from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Annotated

import pyarrow as pa
from PIL import Image, UnidentifiedImageError
from pydantic import Field

from actions.columns import result_columns
from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.params import ActionParams, SortItem, TableRef, Variable
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult, Cell, Column, ResultTable
from actions.table.fetch import PAGE_ROWS, within_limit
from engine.data.images import FORMATS
from engine.layers.base import Aliases

ANSWER_BYTES = 256 << 20
"""Most bytes of images in one answer."""
LABEL = "_label_"


class FetchImagesParams(ActionParams):
    """Parameters of image.fetchImages."""

    table: Annotated[TableRef, Aliases("imageTable", "images")]
    """The table to read."""
    image: str = "_image_"
    """Column of the images."""
    fetch_vars: Annotated[tuple[Variable, ...], Aliases("fetchImagesVars")] = ()
    """Columns to give beside the image and its label."""
    from_: Annotated[int, Field(ge=1)] = 1
    """First row, counted from 1, after ``where`` and ordering."""
    to: Annotated[int, Field(ge=0)] | None = None
    """Last row; left out: 20 rows from the first on."""
    max_rows: Annotated[int, Field(ge=0)] | None = None
    """Most rows to give, whatever ``to`` says; left out: no further limit."""
    sort_by: Annotated[tuple[SortItem, ...], Aliases("orderBy")] = ()
    """Columns to order by."""

    @property
    def rows(self) -> int:
        """Rows asked for."""
        rows = PAGE_ROWS if self.to is None else max(0, self.to - self.from_ + 1)
        return rows if self.max_rows is None else min(rows, self.max_rows)


@action("image.fetchImages")
def fetch_images(ctx: Context, p: FetchImagesParams) -> ActionResult:
    """Return images of a table as files, with their labels and other columns.

    ``Image`` comes first, then ``Label`` if the table has a column ``_label_``, then the columns
    that are asked for, images among them again as images. The kind of images is that of the first.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images.
        TooLarge: the images do not fit in an answer.
    """
    whole = open_table(ctx, p.table)
    names = whole.all_columns.names
    image = resolve(p.image, names, whole.label)
    if not pa.types.is_binary(whole.all_columns.field(image).type):
        raise _no_images(whole, image)
    label = [resolve(LABEL, names)] if LABEL in {name.lower() for name in names} else []
    asked = [resolve(each.name, names, whole.label) for each in p.fetch_vars]
    others = [name for name in dict.fromkeys(asked) if name not in (image, *label)]
    table = open_table(
        ctx,
        p.table,
        order=tuple(each.parsed for each in p.sort_by),
        offset=p.from_ - 1,
        limit=p.rows,
        columns=(image, *label, *others),
    )
    rows = tuple(within_limit(table, ANSWER_BYTES))
    first, *rest = result_columns(table.schema)
    shown = [Column("Label", rest[0].type), *rest[1:]] if label else rest
    media, *kinds = [_media_type(_first(rows, at)) for at in range(len(shown) + 1)]
    if any(row[0] is not None for row in rows) and not media:
        raise _no_images(whole, image)
    beside = (replace(each, media_type=kind) for each, kind in zip(shown, kinds, strict=True))
    columns = (replace(first, name="Image", media_type=media or Image.MIME["PNG"]), *beside)
    title = f"Selected Images from Table {whole.info.name.upper()}"
    return ActionResult(tables={"Images": ResultTable(columns, rows, title)})


def _first(rows: Sequence[Sequence[Cell]], at: int) -> Cell:
    """Return the first value of a column, None if there is none."""
    return next((row[at] for row in rows if row[at] is not None), None)


def _media_type(data: Cell) -> str:
    """Return what kind of image a value is, nothing if it is none."""
    if not isinstance(data, bytes):
        return ""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            return Image.MIME[str(image.format)]
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return ""


def _no_images(table: OpenTable, column: str) -> InvalidParameters:
    return InvalidParameters(
        f"parameter 'image' got column {column!r} of {table.label}, which holds no images",
        parameter="image",
        column=column,
    )
