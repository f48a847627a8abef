"""Record batches as stored bytes: one Arrow IPC stream per chunk, compressed where it pays.

Source: Arrow columnar format, "IPC Streaming Format"; buffers are compressed one by one, so a
reader unpacks only the columns it asks for.
"""

from collections.abc import Sequence

import pyarrow as pa
from pyarrow import ipc

CHUNK_BYTES = 4 << 20
"""Of Arrow buffers in one chunk, before compression."""

_SAMPLE = 16
"""One row in so many is compressed to see whether it pays."""
_WORTH = 0.9
"""Compressed size over plain size above which a chunk stays plain."""
_PLAIN = ipc.IpcWriteOptions()
_PACKED = ipc.IpcWriteOptions(compression="zstd")


def encode(batch: pa.RecordBatch) -> pa.Buffer:
    """Return a batch as a self-contained stream."""
    return _stream(batch, _PACKED if _is_compressible(batch) else _PLAIN)


def decode(body: bytes, columns: Sequence[str] | None) -> pa.RecordBatch:
    """Return the batch of a stream, with the given columns in the given order, or all."""
    if columns is None:
        return ipc.open_stream(body).read_next_batch()
    names = ipc.open_stream(body).schema.names
    wanted = sorted({names.index(column) for column in columns}) or [0]
    options = ipc.IpcReadOptions(included_fields=wanted)
    return ipc.open_stream(body, options=options).read_next_batch().select(list(columns))


def split(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Return a batch as pieces of about ``CHUNK_BYTES`` each, at least one row."""
    pieces = max(1, -(-batch.nbytes // CHUNK_BYTES))
    rows = max(1, -(-batch.num_rows // pieces))
    return [batch.slice(first, rows) for first in range(0, batch.num_rows, rows)]


def _is_compressible(batch: pa.RecordBatch) -> bool:
    rows = max(1, batch.num_rows // _SAMPLE)
    sample = batch.slice((batch.num_rows - rows) // 2, rows)
    return _stream(sample, _PACKED).size < _WORTH * _stream(sample, _PLAIN).size


def _stream(batch: pa.RecordBatch, options: ipc.IpcWriteOptions) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()
