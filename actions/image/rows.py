"""Rows of a table of images: read one by one, written in batches of a few MB."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.params import TableRef
from actions.reading import OpenTable, open_table
from engine.errors import Cancelled

IMAGE = "_image_"
FACTS = ("_id_", "_label_", "_path_", "_type_", "_size_", "_filename_0")
"""Columns about an image that go with it."""
BATCH_BYTES = 4 << 20

Row = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """An image of a table: its bytes, the other columns of its row, and the row counted from 0."""

    data: bytes
    row: Row
    number: int


@dataclass(frozen=True)
class Pictures:
    """The images of a table that have to be read.

    Attributes:
        image: name of the column of images, as the table spells it.
        copied: the other columns that are read.
    """

    table: OpenTable
    image: str
    copied: tuple[str, ...]

    def read(self) -> Iterator[Picture]:
        """Yield the images; rows without one are left out.

        Raises:
            Cancelled: the caller asked to stop.
        """
        number = 0
        for batch in self.table.batches():
            for place in range(batch.num_rows):
                if self.table.ctx.cancelled():
                    raise Cancelled("the work was cancelled while images were read")
                row = batch.slice(place, 1).to_pylist()[0]
                data = row.pop(self.image)
                if data is not None:
                    yield Picture(data, row, number + place)
            number += batch.num_rows

    def with_image(self, picture: Picture, data: bytes, kind: str = "PNG") -> Row:
        """Return a row with another image, a file, and what is told of it brought in line."""
        row = picture.row | {self.image: data}
        told = {"_size_": len(data), "_type_": kind.lower()}
        return {name: told.get(name.lower(), value) for name, value in row.items()}

    def fields(self, without: Collection[str] = ()) -> list["pa.Field[Any]"]:
        """Return the columns of a table made of these, the images first."""
        schema = self.table.schema
        kept = [name for name in self.copied if name.lower() not in without]
        return [schema.field(name) for name in (self.image, *kept)]


def open_pictures(
    ctx: Context, ref: TableRef, image: str, copy: Sequence[str] | None = None
) -> Pictures:
    """Find the column of images of a table, and the columns that go with them.

    Args:
        ctx: where the table is.
        ref: the table.
        image: name of the column, in any case.
        copy: columns that are copied besides ``FACTS``; None: nothing but the images is read.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the column holds no images.
    """
    whole = open_table(ctx, ref)
    names = whole.schema.names
    found = resolve(image, names, whole.label)
    if not pa.types.is_binary(whole.schema.field(found).type):
        raise InvalidParameters(
            f"parameter 'image' got column {found!r} of {whole.label}, which holds no images",
            parameter="image",
            column=found,
        )
    copied: tuple[str, ...] = ()
    if copy is not None:
        facts = [name for name in names if name.lower() in FACTS]
        asked = (
            names
            if "all" in map(str.lower, copy)
            else [resolve(name, names, whole.label) for name in copy]
        )
        copied = tuple(name for name in dict.fromkeys([*facts, *asked]) if name != found)
    return Pictures(open_table(ctx, ref, columns=(found, *copied)), found, copied)


def batches(
    rows: Iterator[Mapping[str, Any]], schema: pa.Schema, image: str
) -> Iterator[pa.RecordBatch]:
    """Yield rows in batches of a few MB of images."""
    held: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row[image])
        if size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held, size = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)
