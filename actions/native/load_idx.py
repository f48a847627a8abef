from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidFile
from actions.files.idx import Idx, read_idx
from actions.files.rows import check_count
from actions.params import ActionParams, OutTable
from actions.paths import existing
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.data.images import encode_image

ROWS = 1024
"""Images at a time."""
IMAGE_AXES = 3
BYTE = np.dtype("u1")


class LoadIdxParams(ActionParams):
    """Parameters of castorch.loadIdx."""

    path: str
    """The file, plain or in gzip, inside the caslib."""
    labels: str | None = None
    """Another with one number per row, which becomes ``_label_``."""
    caslib: str | None = None
    """Caslib of the files; left out: the session's active one."""
    cas_out: OutTable
    """The table to make."""
    decode: bool = False
    """Whether images are unpacked (PGM): larger, and read at once when a network is trained or
    scores. Else they are PNG files."""


@action("castorch.loadIdx")
def load_idx(ctx: Context, p: LoadIdxParams) -> ActionResult:
    """Make a table of a file of the format idx, as that of the MNIST digits.

    Bytes along three axes become grey images: ``_image_``, ``_id_`` counted from 1, and ``_label_``
    as text. Other arrays become numbers: a row's values are the columns ``c1``, ``c2`` and so on.

    Raises:
        PathForbidden: a path leads out of the caslib.
        FileNotFound: there is no such file.
        InvalidFile: a file is not of the format, ends early, or has another number of rows.
        TableExists: the name is taken and ``replace`` is false.
    """
    caslib = ctx.caslibs.find(p.caslib)
    values = read_idx(existing(caslib, p.path))
    labels = None if p.labels is None else _labels(existing(caslib, p.labels), values)
    is_flat = 0 in values.shape[1:]
    is_image = len(values.shape) == IMAGE_AXES and values.kind == BYTE and not is_flat
    fields = [("_image_", pa.binary())] if is_image else _numbers(values)
    told = [("_id_", pa.int64())] + ([("_label_", pa.string())] if labels else [])
    schema = pa.schema([*fields, *told])
    kind = "PPM" if p.decode else "PNG"
    return made(store_rows(ctx, schema, _batches(values, labels, schema, kind), p.cas_out.output))


def _labels(path: Path, values: Idx) -> Idx:
    labels = read_idx(path)
    if labels.shape != values.shape[:1]:
        raise InvalidFile(
            f"the file {path.name!r} has the axes {list(labels.shape)}, expected "
            f"[{values.shape[0]}] as {values.path.name!r} has so many rows",
            got=list(labels.shape),
        )
    return labels


def _numbers(values: Idx) -> list[tuple[str, pa.DataType]]:
    count = int(np.prod(values.shape[1:]))
    check_count(count + 2)
    kind = pa.from_numpy_dtype(values.kind.newbyteorder("="))
    return [(f"c{place}", kind) for place in range(1, count + 1)]


def _batches(
    values: Idx, labels: Idx | None, schema: pa.Schema, kind: str
) -> Iterator[pa.RecordBatch]:
    first = 1
    names = repeat(None) if labels is None else labels.blocks(ROWS)
    for block, told in zip(values.blocks(ROWS), names, strict=labels is not None):
        arrays = _cells(block, schema, kind)
        arrays.append(pa.array(np.arange(first, first + len(block))))
        if told is not None:
            arrays.append(pa.array([str(each) for each in told.tolist()]))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        first += len(block)


def _cells(block: npt.NDArray[np.generic], schema: pa.Schema, kind: str) -> "list[pa.Array[Any]]":
    if schema.names[0] == "_image_":
        images = block.astype(np.uint8)
        return [pa.array([encode_image(each[np.newaxis], kind) for each in images], pa.binary())]
    native = block.astype(block.dtype.newbyteorder("="))
    flat = native.reshape(len(native), -1)
    return [pa.array(np.ascontiguousarray(column)) for column in flat.T]
