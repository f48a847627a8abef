"""Extended attributes: named sets of named values that are kept with a table.

As bytes, little endian: ``Attributes``, the number of sets, then each set: the length of its name,
the name, 1, 0, the number of attributes, 4 and four blanks; and each attribute: the length of its
name, the name, the length of its value in 8 bytes, the value, and its type. All other numbers have
4 bytes.

Source: CAS REST dialect, weights and attributes.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct

from actions.errors import InvalidFile, TooLarge
from actions.ports import TableInfo
from actions.results import Json

FACT = "extended"
"""The fact of a table under which they are kept."""
OWN_SET = "castorch_weights"
"""The set that says what weights were trained on: ``lineage`` and ``schema`` as JSON."""
MOST_BYTES = 32 << 20
"""Bytes of all attributes of a table."""

INT32, INT64, TEXT, RAW = 1, 2, 65536, 0

_MAGIC = b"Attributes"
_U32, _U64 = Struct("<I"), Struct("<Q")
_SET = Struct("<4I4s")
_INT32, _INT64, _DOUBLE = Struct("<i"), Struct("<q"), Struct("<d")


@dataclass(frozen=True)
class Value:
    """The value of an attribute: its type and its bytes."""

    kind: int
    data: bytes

    @classmethod
    def of(cls, value: str | float | bytes) -> "Value":
        """Return a text, a number or bytes as a value."""
        match value:
            case str():
                return cls(TEXT, value.encode() + b"\0")
            case int():
                return cls(INT64, _INT64.pack(value))
            case float():
                return cls(RAW, _DOUBLE.pack(value))
            case bytes():
                return cls(RAW, value)

    @property
    def text(self) -> str:
        """The value as text; of several, the first."""
        if self.kind == TEXT:
            return self.data.split(b"\0")[0].decode("utf-8", "replace")
        layout = {INT32: _INT32, INT64: _INT64}.get(self.kind, _DOUBLE)
        if len(self.data) != layout.size:
            return b64encode(self.data).decode("ascii")
        (number,) = layout.unpack(self.data)
        return f"{number:.15g}" if isinstance(number, float) else str(number)


Sets = dict[str, dict[str, Value]]
"""Attributes by the name of their set and their own."""


def attributes_of(table: TableInfo) -> Sets:
    """Return the extended attributes of a table."""
    kept = table.attributes.get(FACT)
    return from_bytes(zlib.decompress(b64decode(kept))) if isinstance(kept, str) else {}


def as_fact(sets: Sets) -> Mapping[str, Json]:
    """Return attributes as the fact to be kept with a table.

    Raises:
        TooLarge: they are larger than a table may have.
    """
    data = to_bytes(sets)
    if len(data) > MOST_BYTES:
        raise TooLarge(
            f"the attributes got {len(data)} bytes, expected at most {MOST_BYTES}",
            got=len(data),
            limit=MOST_BYTES,
        )
    return {FACT: b64encode(zlib.compress(data)).decode("ascii")}


def to_bytes(sets: Sets) -> bytes:
    """Return attributes as bytes."""
    parts = [_MAGIC, _U32.pack(len(sets))]
    for name, attributes in sets.items():
        parts += [_named(name), _SET.pack(1, 0, len(attributes), 4, b"    ")]
        for key, value in attributes.items():
            parts += [_named(key), _U64.pack(len(value.data)), value.data, _U32.pack(value.kind)]
    return b"".join(parts)


def _named(name: str) -> bytes:
    data = name.encode()
    return _U32.pack(len(data)) + data


def from_bytes(data: bytes) -> Sets:
    """Return attributes from their bytes.

    Raises:
        InvalidFile: they are none, or end too early.
    """
    reader = _Reader(data)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise InvalidFile("the attributes do not begin like a table of attributes")
    found: Sets = {}
    for _ in range(reader.number(_U32)):
        attributes = found.setdefault(reader.name(), {})
        _, _, count, _, _ = reader.numbers(_SET)
        for _ in range(count):
            key = reader.name()
            value = reader.take(reader.number(_U64))
            attributes[key] = Value(reader.number(_U32), value)
    return found


class _Reader:
    """Reads from front to back, never past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise InvalidFile(
                f"the attributes end at {len(self._data)} bytes, expected {size} from {self._at} on"
            )
        found = self._data[self._at : end]
        self._at = end
        return found

    def numbers(self, layout: Struct) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size))

    def number(self, layout: Struct) -> int:
        return self.numbers(layout)[0]

    def name(self) -> str:
        return self.take(self.number(_U32)).decode("utf-8", "replace")
