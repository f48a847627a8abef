"""The layout of safetensors: a JSON header, then arrays, every size checked before it is used.

Eight bytes with the length of the header, the header, the arrays one after the other. The header
names every array with its dtype, its shape and its place; ``__metadata__`` holds texts. Of dtypes
only float32 is read and written.

Source: the safetensors format description (https://github.com/huggingface/safetensors).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, TypeAdapter, ValidationError

from engine.errors import DataError
from engine.interchange.pieces import Pieces
from engine.shapes import Shape

MOST_HEADER_BYTES = 100_000_000
"""Longest header, as in the format's own reader."""
LENGTH_BYTES = 8
ALIGNMENT = 8
"""Arrays begin at a multiple of so many bytes; the header is filled up with blanks."""
FLOAT_BYTES = 4

METADATA = "__metadata__"


@dataclass(frozen=True)
class Entry:
    """An array's place.

    Attributes:
        first: where it begins, in bytes behind the header.
    """

    name: str
    shape: Shape
    first: int

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * FLOAT_BYTES

    @property
    def last(self) -> int:
        """Where it ends."""
        return self.first + self.size_bytes


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        metadata: texts by name.
        entries: the arrays in the order they lie in, without gaps.
    """

    metadata: Mapping[str, str]
    entries: tuple[Entry, ...]


class _RawEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dtype: StrictStr
    shape: tuple[StrictInt, ...]
    data_offsets: tuple[StrictInt, StrictInt]


_METADATA = TypeAdapter(dict[str, StrictStr])


def write_header(metadata: Mapping[str, str], tensors: Sequence[tuple[str, Shape]]) -> bytes:
    """Return the bytes before the arrays, which follow in the order given.

    Args:
        metadata: texts by name.
        tensors: names and shapes of float32 arrays.

    Raises:
        DataError: the header is too long to be read again.
    """
    header: dict[str, object] = {METADATA: dict(metadata)}
    first = 0
    for name, shape in tensors:
        entry = Entry(name, shape, first)
        offsets = [first, entry.last]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
        first = entry.last
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    if len(text) > MOST_HEADER_BYTES:
        raise DataError(
            f"the header of the model file would have {len(text)} bytes, "
            f"expected at most {MOST_HEADER_BYTES}",
            got=len(text),
            limit=MOST_HEADER_BYTES,
        )
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def read_header(pieces: Pieces) -> Header:
    """Read a header; the arrays follow in the order of its entries.

    Raises:
        DataError: it is too long, is no header, holds another dtype than float32, or its arrays do
            not fill the rest of the file.
    """
    length = int.from_bytes(pieces.take(LENGTH_BYTES), "little")
    if not 0 < length <= min(MOST_HEADER_BYTES, pieces.left):
        raise DataError(
            f"{pieces.label} is no safetensors file: its header would have {length} bytes, "
            f"expected 1 to {min(MOST_HEADER_BYTES, pieces.left)}",
            got=length,
        )
    header = _parsed(pieces, pieces.take(length))
    try:
        metadata = _METADATA.validate_python(header.pop(METADATA, {}))
    except ValidationError as error:
        raise DataError(
            f"{pieces.label} is no safetensors file: {METADATA} holds other values than texts"
        ) from error
    entries = [_entry(pieces, name, raw) for name, raw in header.items()]
    entries.sort(key=lambda entry: (entry.first, entry.last))
    _check_places(pieces, entries)
    return Header(metadata, tuple(entries))


def _parsed(pieces: Pieces, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{pieces.label} is no safetensors file: its header is no JSON") from error
    if not isinstance(header, dict):
        raise DataError(f"{pieces.label} is no safetensors file: its header is no JSON object")
    return header


def _entry(pieces: Pieces, name: str, raw: object) -> Entry:
    try:
        found = _RawEntry.model_validate(raw)
    except ValidationError as error:
        raise DataError(
            f"{pieces.label} is no safetensors file: array {name!r} has no dtype, shape and "
            "data_offsets",
            tensor=name,
        ) from error
    if found.dtype != "F32":
        raise DataError(
            f"{pieces.label} holds array {name!r} as {found.dtype!r}, expected 'F32'",
            tensor=name,
            got=found.dtype,
        )
    first, last = found.data_offsets
    entry = Entry(name, found.shape, first)
    if min(found.shape, default=0) < 0 or first < 0 or last != entry.last:
        raise DataError(
            f"{pieces.label} holds array {name!r} of shape {entry.shape} in bytes {first} to "
            f"{last}, expected {entry.size_bytes} bytes",
            tensor=name,
        )
    return entry


def _check_places(pieces: Pieces, entries: Sequence[Entry]) -> None:
    reached = 0
    for entry in entries:
        if entry.first != reached:
            raise DataError(
                f"{pieces.label} holds array {entry.name!r} from byte {entry.first} on, "
                f"expected {reached}: arrays lie one after the other",
                tensor=entry.name,
            )
        reached = entry.last
    if reached != pieces.left:
        raise DataError(
            f"{pieces.label} has {pieces.left} bytes of arrays, expected {reached}",
            got=pieces.left,
            expected=reached,
        )
