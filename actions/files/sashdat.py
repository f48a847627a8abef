"""SASHDAT files, the format CAS saves tables in, chunk by chunk.

A file is hostile until proven otherwise: every length is compared with what is left of the file,
and every place with the chunk it must lie in, before anything is allocated or read.

Source: CAS REST dialect, reading SASHDAT.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actions.arrow_functions import pc
from actions.columns import EPOCH_1960_S, AnyArray
from actions.errors import InvalidFile
from actions.files.rows import BATCH_ROWS, Rows
from actions.files.sashdat_header import (
    CHARACTER,
    FILE_MAGIC,
    INT32,
    INT64,
    NUMERIC,
    PAGE,
    VARYING_BYTES,
    HdatColumn,
    Header,
    paged,
    read_header,
)

MAGIC = FILE_MAGIC
CHUNK_BYTES = 1 << 30
"""Largest chunk."""

DAY_S = 86_400
MICROSECONDS = 1_000_000

_BLOCK = Struct("<QQQ40x")
_CHUNK = Struct("<5Q72x")

MISSING = {INT32: -(2**31), INT64: -(2**63)}
"""The whole numbers that mean missing."""

Fixed = npt.NDArray[np.uint8]


def read_sashdat(path: Path) -> Rows:
    """Open a SASHDAT file; one chunk of it is in memory at a time.

    Raises:
        InvalidFile: it is none, is damaged, or holds text that is not UTF-8.
    """
    with path.open("rb") as file:
        head = file.read(2 * PAGE)
        header = read_header(head, iter(lambda: file.read(PAGE), b""))
    schema = pa.schema([column.field for column in header.columns])
    return Rows(schema, _batches(path, header, schema))


def _batches(path: Path, header: Header, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows, small chunks of them put together."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in _decoded(path, header, schema):
        held.append(batch)
        rows += batch.num_rows
        if rows >= BATCH_ROWS:
            yield from _joined(held)
            held, rows = [], 0
    if held:
        yield from _joined(held)


def _joined(held: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    whole = pa.Table.from_batches(held).combine_chunks()
    yield from whole.to_batches(max_chunksize=BATCH_ROWS)


def _decoded(path: Path, header: Header, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    left = header.rows
    with path.open("rb") as file:
        for fixed, varying in _chunks(file, header):
            columns = [_column(each, fixed, varying) for each in header.columns]
            batch = pa.RecordBatch.from_arrays(columns, schema=schema)
            if header.rows:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            yield batch
    if header.rows and left:
        raise InvalidFile(
            f"the SASHDAT file ends after {header.rows - left} rows, expected {header.rows}"
        )


def _chunks(file: BinaryIO, header: Header) -> Iterator[tuple[Fixed, bytes]]:
    """Yield the fixed part, a row a line, and the varying part of every chunk."""
    size = file.seek(0, 2)
    place = header.data
    while place < size:
        count, _, row_bytes = _unpacked(file, place, _BLOCK, size)
        if row_bytes != header.row_bytes:
            raise InvalidFile(
                f"the SASHDAT file has a block of rows of {row_bytes} bytes at {place}, expected "
                f"{header.row_bytes}"
            )
        place += _BLOCK.size
        for _ in range(count):
            whole, _, fixed, varying, padded = _unpacked(file, place, _CHUNK, size)
            place += _CHUNK.size
            _check_chunk(place, (whole, fixed, varying, padded), header.row_bytes, size)
            file.seek(place)
            lines = np.frombuffer(file.read(fixed), np.uint8).reshape(-1, header.row_bytes)
            yield lines, file.read(varying)
            place += padded
        place = paged(place)


def _unpacked(file: BinaryIO, place: int, layout: Struct, size: int) -> tuple[int, ...]:
    if place + layout.size > size:
        raise InvalidFile(
            f"the SASHDAT file ends at {size} bytes, expected {layout.size} more from {place} on"
        )
    file.seek(place)
    return layout.unpack(file.read(layout.size))


def _check_chunk(place: int, sizes: tuple[int, int, int, int], row_bytes: int, end: int) -> None:
    whole, fixed, varying, padded = sizes
    is_sound = (
        0 < fixed <= whole <= padded <= CHUNK_BYTES
        and fixed + varying == whole
        and fixed % row_bytes == 0
        and place + padded <= paged(end)
        and place + whole <= end
    )
    if not is_sound:
        raise InvalidFile(
            f"the SASHDAT file has a chunk of {whole} bytes at {place}, of which {fixed} in rows "
            f"of {row_bytes}, {varying} beside them and {padded} with padding, expected sizes that "
            "go together and with the end of the file"
        )


def _column(column: HdatColumn, fixed: Fixed, varying: bytes) -> AnyArray:
    cells = np.ascontiguousarray(fixed[:, column.offset : column.offset + column.length])
    if column.kind == NUMERIC:
        return _numbers(column, cells)
    if column.is_varying:
        values = _varying(column, cells, varying)
    else:
        values = [bytes(row).rstrip(b"\0 ") or None for row in cells]
    found: AnyArray = pa.array(values, pa.binary())
    if column.variant == VARYING_BYTES and column.kind == CHARACTER:
        return found
    try:
        return pc.cast(found, pa.string())
    except pa.ArrowInvalid:
        raise InvalidFile(
            f"column {column.name!r} of the SASHDAT file holds text that is not UTF-8",
            column=column.name,
        ) from None


def _numbers(column: HdatColumn, cells: Fixed) -> AnyArray:
    kind = np.dtype({INT32: "<i4", INT64: "<i8"}.get(column.variant, "<f8"))
    values = np.ascontiguousarray(cells[:, : kind.itemsize]).view(kind).reshape(-1)
    if column.moment is not None:
        return _moments(column, values)
    if column.variant in MISSING:
        return pa.array(values, column.type, mask=values == MISSING[column.variant])
    return pa.array(values, column.type, from_pandas=True)


def _moments(column: HdatColumn, values: npt.NDArray[Any]) -> AnyArray:
    """Return dates and times from their numbers.

    Raises:
        InvalidFile: one is further away than the type reaches.
    """
    kind = column.type
    missing = np.isnan(values)
    storage: pa.DataType = pa.int32() if pa.types.is_date(kind) else pa.int64()
    if pa.types.is_date(kind):
        ticks = values - EPOCH_1960_S // DAY_S
    else:
        first = EPOCH_1960_S if pa.types.is_timestamp(kind) else 0
        ticks = np.round((values - first) * MICROSECONDS)
    plain = pa.array(np.where(missing, 0.0, ticks), pa.float64())
    try:
        whole = pc.cast(pc.floor(plain), storage)
        found: AnyArray = pc.if_else(pa.array(missing), pa.scalar(None, kind), pc.cast(whole, kind))
    except pa.ArrowInvalid as error:
        raise InvalidFile(
            f"column {column.name!r} of the SASHDAT file holds a value that is no {kind}: {error}",
            column=column.name,
        ) from None
    return found


def _varying(column: HdatColumn, cells: Fixed, varying: bytes) -> list[bytes | None]:
    places: npt.NDArray[Any] = cells[:, :16].copy().view("<i8")
    starts, lengths = places[:, 0], places[:, 1]
    bad = (starts < 0) | (lengths < 0) | (starts > len(varying)) | (lengths > len(varying) - starts)
    if bad.any():
        row = int(np.argmax(bad))
        raise InvalidFile(
            f"column {column.name!r} of the SASHDAT file has a value of {int(lengths[row])} bytes "
            f"at {int(starts[row])} of a chunk that holds {len(varying)}",
            column=column.name,
        )
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    return [varying[start : start + length] if length else None for start, length in pairs]
