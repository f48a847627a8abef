"""Model files as tables, and as files of a caslib.

As a table a model file is what CAS calls a store: rows of a column ``_state_`` that hold its bytes,
piece by piece in their order.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidFile, TooLarge
from actions.params import TableRef
from actions.ports import TableInfo
from engine.interchange.pieces import Pieces

PIECE_BYTES = 1 << 20
"""Bytes in a row of a store."""

MOST_BLOB_BYTES = 1 << 30
"""Longest model file that is handed out in one piece."""

STATE = "_state_"
_COLUMNS: list[tuple[str, pa.DataType]] = [("_index_", pa.int64()), (STATE, pa.binary())]
STORE_SCHEMA = pa.schema(_COLUMNS)


def store_batches(pieces: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a store, from bytes in pieces of any length."""
    index, held = 0, bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PIECE_BYTES:
            yield _row(index, bytes(held[:PIECE_BYTES]))
            del held[:PIECE_BYTES]
            index += 1
    if held:
        yield _row(index, bytes(held))


def open_store(ctx: Context, ref: TableRef) -> tuple[TableInfo, Pieces]:
    """Return a store and its bytes, which are read as they are taken.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: it is a model or holds weights.
        InvalidFile: it is no store.
    """
    info = ctx.tables.find(ref.address, "data")
    check_store(f"the table {info.name!r}", ctx.tables.schema(info))
    size = sum(map(len, _pieces(ctx, info)))
    return info, Pieces(f"the store {info.name!r}", size, _pieces(ctx, info))


def check_store(label: str, schema: pa.Schema) -> None:
    """Check that a table with these columns is a store.

    Raises:
        InvalidFile: it is none.
    """
    if STATE not in schema.names or not _is_bytes(schema.field(STATE).type):
        raise InvalidFile(
            f"{label} is no store, expected a column {STATE!r} of bytes, as dlExportModel and "
            "astore.upload make it"
        )


def whole_store(ctx: Context, ref: TableRef) -> tuple[TableInfo, bytes]:
    """Return a store and all its bytes at once.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidFile: it is no store.
        TooLarge: it is longer than what is handed out in one piece.
    """
    info, pieces = open_store(ctx, ref)
    if pieces.size > MOST_BLOB_BYTES:
        raise TooLarge(
            f"the store {info.name!r} has {pieces.size} bytes, expected at most "
            f"{MOST_BLOB_BYTES} in one piece; read its rows, or export into a file of a caslib",
            got=pieces.size,
            limit=MOST_BLOB_BYTES,
        )
    return info, pieces.take(pieces.size)


def open_file(path: Path, name: str) -> Pieces:
    """Return the bytes of a file, which are read as they are taken."""
    return Pieces(f"the file {name!r}", path.stat().st_size, blocks(path))


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, piece by piece."""
    with path.open("rb") as file:
        while block := file.read(PIECE_BYTES):
            yield block


def _pieces(ctx: Context, info: TableInfo) -> Iterator[bytes]:
    for batch in ctx.tables.scan(info, columns=[STATE]):
        yield from filter(None, batch.column(0).to_pylist())


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _row(index: int, piece: bytes) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"_index_": [index], STATE: [piece]}, STORE_SCHEMA)
