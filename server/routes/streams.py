"""Tables as streams of bytes: Arrow IPC and CSV, a batch at a time."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pyarrow as pa
from pyarrow import csv, ipc

from actions.model_files import STATE, check_store

ARROW = "application/vnd.apache.arrow.stream"
CSV = "text/csv"
MODEL = "application/octet-stream"

Encoder = Callable[[pa.Schema, Iterator[pa.RecordBatch]], Iterator[bytes]]


def arrow_stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield an Arrow IPC stream; a table without rows is a stream of its schema."""
    sink = _Sink()
    with ipc.new_stream(sink, schema) as writer:
        yield from sink.take()
        for batch in batches:
            writer.write_batch(batch)
            yield from sink.take()
    yield from sink.take()


def csv_stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield CSV with a header line; binary values are base64, missing ones are empty.

    Source: RFC 4180; text is quoted, numbers are not, lines end with a line feed.
    """
    sink = _Sink()
    readable = pa.schema([field.with_type(_readable(field.type)) for field in schema])
    with csv.CSVWriter(sink, readable) as writer:
        yield from sink.take()
        for batch in batches:
            columns = [_read(column) for column in batch.columns]
            writer.write_batch(pa.record_batch(columns, schema=readable))
            yield from sink.take()


def model_stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Return the model file that a store holds, piece by piece.

    Raises:
        InvalidFile: the table is no store; told before the first byte.
    """
    check_store("the table", schema)
    return (piece for batch in batches for piece in batch.column(STATE).to_pylist() if piece)


ENCODERS: dict[str, Encoder] = {ARROW: arrow_stream, CSV: csv_stream, MODEL: model_stream}
"""How a table is written for each media type."""


class _Sink(BytesIO):
    """A file that hands out what was written to it since the last time."""

    def take(self) -> Iterator[bytes]:
        written = self.getvalue()
        self.seek(0)
        self.truncate()
        if written:
            yield written


def _readable(kind: pa.DataType) -> pa.DataType:
    is_text = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_nested(kind)
    return pa.string() if is_text else kind


def _read(column: "pa.Array[Any]") -> "pa.Array[Any]":
    if _readable(column.type) == column.type:
        return column
    return pa.array([_as_text(value) for value in column.to_pylist()], pa.string())


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return b64encode(value).decode("ascii") if isinstance(value, bytes) else str(value)
