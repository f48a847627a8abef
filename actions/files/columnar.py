"""Parquet and Arrow IPC files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import ipc

from actions.errors import InvalidFile
from actions.files.rows import BATCH_ROWS, Rows, plain, plain_schema
from actions.query import sliced
from engine.later import Later

if TYPE_CHECKING:
    from pyarrow import parquet
else:
    parquet = Later("pyarrow.parquet")

ARROW_MAGIC = b"ARROW1"
PARQUET_MAGIC = b"PAR1"


def read_parquet(path: Path) -> Rows:
    """Open a Parquet file; one group of rows is in memory at a time.

    Raises:
        InvalidFile: it is no Parquet file, is damaged, or has a type a table cannot hold.
    """
    with _explained("Parquet"):
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        schema = plain_schema(file.schema_arrow)
        return Rows(schema, plain(_row_groups(file), schema))


def _row_groups(file: "parquet.ParquetFile") -> Iterator[pa.RecordBatch]:
    with file, _explained("Parquet"):
        yield from file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)


def count_parquet(path: Path) -> int:
    """Return the number of rows of a Parquet file, which it says itself.

    Raises:
        InvalidFile: it is no Parquet file, or is damaged.
    """
    with _explained("Parquet"), parquet.ParquetFile(path) as file:
        return file.metadata.num_rows


def scan_parquet(path: Path, schema: pa.Schema, first: int, last: int) -> Iterator[pa.RecordBatch]:
    """Read some columns and rows; groups of rows that are all outside the range are not read.

    Args:
        path: where the file lies.
        schema: the columns, at least one, as :func:`read_parquet` gave them.
        first: row to begin with, counted from 0.
        last: row to stop before.

    Raises:
        InvalidFile: it is no Parquet file, or is damaged.
    """
    with (
        _explained("Parquet"),
        parquet.ParquetFile(path, page_checksum_verification=True) as file,
    ):
        groups, start = _groups(file.metadata, first, last)
        batches = file.iter_batches(
            BATCH_ROWS, row_groups=groups, columns=schema.names, use_threads=False
        )
        ordered = (batch.select(schema.names) for batch in batches)
        yield from sliced(plain(ordered, schema), first - start, last - first)


def _groups(metadata: "parquet.FileMetaData", first: int, last: int) -> tuple[list[int], int]:
    """Return the groups of rows that touch a range, and the first row of the first of them."""
    touched: list[int] = []
    row = start = 0
    for group in range(metadata.num_row_groups):
        end = row + metadata.row_group(group).num_rows
        if row < last and end > first:
            start = start if touched else row
            touched.append(group)
        row = end
    return touched, start


def read_arrow(path: Path) -> Rows:
    """Open an Arrow IPC file or stream.

    Raises:
        InvalidFile: it is neither, is damaged, or has a type a table cannot hold.
    """
    with path.open("rb") as head:
        is_file = head.read(len(ARROW_MAGIC)) == ARROW_MAGIC
    with _explained("Arrow"):
        batches = _file(path) if is_file else _stream(path)
        schema = plain_schema(next(batches).schema)
        return Rows(schema, plain(batches, schema))


def _file(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield an empty batch, for its schema, and then those of a file."""
    with _explained("Arrow"), pa.memory_map(str(path)) as source, ipc.open_file(source) as reader:
        yield _empty(reader.schema)
        for place in range(reader.num_record_batches):
            yield _checked(reader.get_batch(place))


def _stream(path: Path) -> Iterator[pa.RecordBatch]:
    with (
        _explained("Arrow"),
        pa.OSFile(str(path), "rb") as source,
        ipc.open_stream(source) as reader,
    ):
        yield _empty(reader.schema)
        for batch in reader:
            yield _checked(batch)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Check offsets and text of a batch from outside; nothing else does."""
    batch.validate(full=True)
    return batch


@contextmanager
def _explained(kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidFile(f"the file cannot be read as {kind}: {reason}", kind=kind) from None
