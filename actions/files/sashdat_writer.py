"""Tables written as SASHDAT files.

Text and bytes are varying, whole numbers stay whole, truth values become 0 and 1, dates and times
the numbers CAS has for them; of missing text and empty text nothing tells which it was.

Source: CAS REST dialect, reading SASHDAT.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from struct import Struct
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actions.arrow_functions import pc
from actions.columns import EPOCH_1960_S, AnyArray
from actions.files.sashdat import DAY_S, MISSING
from actions.files.sashdat_header import (
    CHARACTER,
    DOUBLE,
    IMAGE,
    INT32,
    INT64,
    NUMERIC,
    REFERENCE_BYTES,
    VARYING_BYTES,
    VARYING_TEXT,
    HdatColumn,
    header_bytes,
)

CHUNK_ROWS = 1024
_BLOCK = Struct("<4Q32x")
_BLOCK_MARK = 1 << 54
_CHUNK = Struct("<5Q72x")
_MOST_CHUNK = 256 << 20
"""Bytes of values a chunk is cut at; a single row may have more."""

DAYS_TO_1970 = EPOCH_1960_S // DAY_S


def write_sashdat(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Write a table; memory is that of one batch."""
    columns, row_bytes = _columns(schema)
    longest = [0] * len(columns)
    with path.open("wb") as file:
        file.write(header_bytes(columns, row_bytes, 0, 0))
        start = file.tell()
        file.write(_BLOCK.pack(0, 0, row_bytes, _BLOCK_MARK))
        rows = chunks = 0
        for piece in _pieces(batches):
            body, widths = _chunk(piece, columns, row_bytes)
            longest = [max(pair) for pair in zip(longest, widths, strict=True)]
            file.write(body)
            rows, chunks = rows + piece.num_rows, chunks + 1
        end = file.tell()
        file.seek(start)
        file.write(_BLOCK.pack(chunks, 0, row_bytes, _BLOCK_MARK))
        known = [
            replace(column, longest=width) if column.kind == CHARACTER else column
            for column, width in zip(columns, longest, strict=True)
        ]
        file.seek(0)
        file.write(header_bytes(known, row_bytes, rows, end - start))


def _columns(schema: pa.Schema) -> tuple[list[HdatColumn], int]:
    """Return the columns of the file and the bytes of a row, a multiple of 8."""
    found: list[HdatColumn] = []
    offset = 0
    for field in schema:
        kind, variant, form = _kind(field.type)
        length = REFERENCE_BYTES if kind == CHARACTER else 4 if variant == INT32 else 8
        is_image = (field.metadata or {}).items() >= IMAGE.items()
        found.append(HdatColumn(field.name, offset, length, kind, variant, is_image, form))
        offset += -(-length // 8) * 8
    return found, offset


def _kind(kind: pa.DataType) -> tuple[int, int, str]:
    """Return kind, variant and format of a type."""
    if pa.types.is_string(kind):
        return CHARACTER, VARYING_TEXT, ""
    if pa.types.is_binary(kind):
        return CHARACTER, VARYING_BYTES, ""
    if pa.types.is_boolean(kind) or kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8()):
        return NUMERIC, INT32, ""
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return NUMERIC, INT64, ""
    if pa.types.is_date(kind):
        return NUMERIC, DOUBLE, "DATE"
    if pa.types.is_time(kind):
        return NUMERIC, DOUBLE, "TIME"
    return NUMERIC, DOUBLE, "DATETIME" if pa.types.is_timestamp(kind) else ""


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = CHUNK_ROWS
        if batch.nbytes > _MOST_CHUNK:
            rows = max(1, min(CHUNK_ROWS, batch.num_rows * _MOST_CHUNK // batch.nbytes))
        for first in range(0, batch.num_rows, rows):
            yield batch.slice(first, rows)


def _chunk(
    batch: pa.RecordBatch, columns: list[HdatColumn], row_bytes: int
) -> tuple[bytes, list[int]]:
    """Return a chunk, and the bytes of the longest value of every column."""
    lines = np.zeros((batch.num_rows, row_bytes), np.uint8)
    varying: list[bytes] = []
    held, widths = 0, []
    for column, values in zip(columns, batch.columns, strict=True):
        if column.is_varying:
            cells = [each or b"" for each in pc.cast(values, pa.binary()).to_pylist()]
            sizes = np.array([len(each) for each in cells], np.int64)
            starts = held + np.cumsum(sizes) - sizes
            held += int(sizes.sum())
            varying += cells
            widths.append(int(sizes.max(initial=0)))
            cut = np.stack([starts, sizes], axis=1).astype("<i8")
        else:
            widths.append(-1)
            cut = _numbers(column, values).reshape(-1, 1)
        raw = np.ascontiguousarray(cut).view(np.uint8).reshape(batch.num_rows, -1)
        lines[:, column.offset : column.offset + column.length] = raw
    whole = lines.size + held
    padded = -(-whole // 8) * 8
    head = _CHUNK.pack(whole, 0, lines.size, held, padded)
    return b"".join((head, lines.tobytes(), *varying, bytes(padded - whole))), widths


def _numbers(column: HdatColumn, values: AnyArray) -> npt.NDArray[Any]:
    if column.variant in MISSING:
        kind, dtype = (pa.int32(), "<i4") if column.variant == INT32 else (pa.int64(), "<i8")
        whole = cast("AnyArray", pc.cast(values, kind))
        plain = whole.fill_null(MISSING[column.variant])
        return np.asarray(plain.to_numpy(zero_copy_only=False), dtype)
    return np.asarray(_seconds(values).to_numpy(zero_copy_only=False), "<f8")


def _seconds(values: AnyArray) -> AnyArray:
    """Return dates as days and times as seconds, both since 1960; other numbers as they are."""
    kind = values.type
    if pa.types.is_date(kind):
        days = pc.cast(pc.cast(pc.cast(values, pa.date32()), pa.int32()), pa.float64())
        return pc.add(days, pa.scalar(float(DAYS_TO_1970)))
    if pa.types.is_timestamp(kind):
        ticks = pc.cast(pc.cast(values, pa.timestamp("us")), pa.int64())
        seconds = pc.divide(pc.cast(ticks, pa.float64(), safe=False), pa.scalar(1e6))
        return pc.add(seconds, pa.scalar(float(EPOCH_1960_S)))
    if pa.types.is_time(kind):
        ticks = pc.cast(pc.cast(values, pa.time64("us")), pa.int64())
        return pc.divide(pc.cast(ticks, pa.float64()), pa.scalar(1e6))
    return pc.cast(values, pa.float64(), safe=False)
