"""Data of any kind as a stream of bytes the server can read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

from castorch._errors import InvalidInput
from castorch._extras import need
from castorch._png import encode_png

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 1 << 20
FILE_TYPES = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".zip": "images",
    ".safetensors": "model",
}
CONTENT_TYPES = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
    "json": "application/x-ndjson",
    "images": "application/zip",
    "model": "application/octet-stream",
}
ARROW_FILE_MAGIC = b"ARROW1"
IMAGE_STACK_AXES = frozenset({3, 4})
MATRIX_AXES = 2


@dataclass(frozen=True)
class Source:
    """Bytes to upload, and the server's name for their format."""

    file_type: str
    pieces: Iterable[bytes]

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.file_type]


def open_source(data: Any) -> Source:
    """Return data as an upload; nothing is read or converted before the pieces are.

    Args:
        data: a path to a CSV, Parquet, Arrow, JSON or ZIP file or to a folder of images; a pandas
            data frame; anything with the Arrow stream interface (pyarrow, polars, duckdb); a
            dictionary of columns (lists or arrays); a list of dictionaries, one per row.

    Raises:
        InvalidInput: the data is of no such kind, or the path leads nowhere.
        MissingExtra: the package that reads this kind is not installed.
    """
    if isinstance(data, str | Path):
        return _from_path(Path(data))
    if type(data).__module__.partition(".")[0] == "pandas":
        arrow = need("pyarrow", "uploading a data frame", extra="pandas")
        return _from_arrow(arrow.Table.from_pandas(data, preserve_index=False).to_reader())
    if hasattr(data, "__arrow_c_stream__"):
        arrow = need("pyarrow", "uploading Arrow data", extra="arrow")
        return _from_arrow(arrow.RecordBatchReader.from_stream(data))
    if isinstance(data, Mapping):
        return _from_columns(data)
    if isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        return Source("json", _json_lines(data))
    raise InvalidInput(
        f"upload got a {type(data).__name__}, expected a path, a data frame, Arrow data, "
        "a dictionary of columns or a list of row dictionaries",
        got=type(data).__name__,
    )


def _from_path(path: Path) -> Source:
    if path.is_dir():
        return Source("images", zip_folder(path))
    if not path.is_file():
        raise InvalidInput(f"there is no file or folder {str(path)!r}", path=str(path))
    kind = FILE_TYPES.get(path.suffix.lower())
    if kind is None:
        raise InvalidInput(
            f"the file {path.name!r} got the ending {path.suffix!r}, "
            f"expected one of {', '.join(FILE_TYPES)}",
            path=str(path),
            endings=list(FILE_TYPES),
        )
    if kind == "arrow" and _is_arrow_file(path):
        arrow = need("pyarrow", "uploading an Arrow file", extra="arrow")
        ipc = need("pyarrow.ipc", "uploading an Arrow file", extra="arrow")
        return Source("arrow", _arrow_file_pieces(path, arrow, ipc))
    return Source(kind, _file_pieces(path))


def _is_arrow_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ARROW_FILE_MAGIC)) == ARROW_FILE_MAGIC


def _arrow_file_pieces(path: Path, arrow: Any, ipc: Any) -> Iterator[bytes]:
    with arrow.memory_map(str(path)) as mapped:
        reader = ipc.open_file(mapped)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        yield from _arrow_pieces(reader.schema, batches)


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


class Outbox(RawIOBase):
    """A file to be written that hands its bytes on: what was written since the last ``take``."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def zip_folder(folder: Path) -> Iterator[bytes]:
    """Yield a ZIP archive of a folder, made while it is read; images are not compressed again.

    Files whose name, or whose folder's name, begins with a dot are left out.

    Raises:
        InvalidInput: the folder holds no file.
    """
    files = [path for path in sorted(folder.rglob("*")) if _is_shown(path, folder)]
    if not files:
        raise InvalidInput(f"the folder {str(folder)!r} holds no files", path=str(folder))
    outbox = Outbox()
    with ZipFile(outbox, "w", ZIP_STORED) as archive:
        for path in files:
            with archive.open(path.relative_to(folder).as_posix(), "w") as entry:
                for piece in _file_pieces(path):
                    entry.write(piece)
                    yield outbox.take()
            yield outbox.take()
    yield outbox.take()


def _is_shown(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not hidden


def _from_arrow(reader: pa.RecordBatchReader) -> Source:
    return Source("arrow", _arrow_pieces(reader.schema, reader))


def _arrow_pieces(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    ipc = need("pyarrow.ipc", "uploading Arrow data", extra="arrow")
    outbox = Outbox()
    sink: Any = need("pyarrow", "uploading Arrow data", extra="arrow").PythonFile(outbox, "w")
    with ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield outbox.take()
    yield outbox.take()


def _from_columns(data: Mapping[str, Any]) -> Source:
    columns: dict[str, Any] = {}
    for name, values in data.items():
        columns.update(_expand(str(name), values))
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidInput(
            f"upload got columns of the lengths {lengths}, expected at least one column, "
            "and all of the same length",
            lengths=lengths,
        )
    if any(isinstance(next(iter(values), None), bytes) for values in columns.values()):
        arrow = need("pyarrow", "uploading bytes", extra="arrow")
        return _from_arrow(arrow.table(columns).to_reader())
    try:
        arrow = need("pyarrow", "uploading columns", extra="arrow")
    except ImportError:
        rows = zip(*(_python(values) for values in columns.values()), strict=True)
        return Source("json", _json_lines(dict(zip(columns, row, strict=True)) for row in rows))
    return _from_arrow(arrow.table(columns).to_reader())


def _expand(name: str, values: Any) -> dict[str, Any]:
    """Return the columns an entry stands for.

    An (N, D) array becomes D columns ``name0 ...``; an (N, H, W) or (N, H, W, 3) array of uint8
    becomes one column of PNG images.
    """
    axes = len(getattr(values, "shape", (0,)))
    if axes == MATRIX_AXES:
        return {f"{name}{i}": values[:, i] for i in range(values.shape[1])}
    if axes in IMAGE_STACK_AXES:
        return {name: [encode_png(image) for image in values]}
    return {name: values}


def _python(value: Any) -> Any:
    """Return an array, or a number out of one, as the Python values it holds.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, Sequence):
        return value
    to_list: Callable[[], Any] | None = getattr(value, "tolist", None)
    if to_list is None:
        raise TypeError(f"a {type(value).__name__} has no JSON form")
    return to_list()


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        try:
            present = {str(name): _none_if_nan(value) for name, value in row.items()}
            yield json.dumps(present, default=_python).encode() + b"\n"
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"a row cannot be written as JSON: {error}") from error


def _none_if_nan(value: Any) -> Any:
    if not isinstance(value, float) or isfinite(value):
        return value
    if isnan(value):
        return None
    raise ValueError(f"{value} is not a number of JSON")
