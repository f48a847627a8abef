"""The header of a SASHDAT file: where its rows begin, and what its columns are.

All numbers are little endian. ``SASDNFS `` begins the file and a directory of the blocks; the table
header follows at 4096 (``SASHDAT ``, lengths, counts, then two lists with an entry per column), and
the blocks of rows after it, each at a multiple of 4096.

Source: CAS REST dialect, reading SASHDAT.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from struct import Struct

import pyarrow as pa

from actions.errors import InvalidFile
from actions.files.rows import MOST_COLUMNS, check_names
from actions.params import NAME_LENGTH

FILE_MAGIC = b"SASDNFS "
TABLE_MAGIC = b"SASHDAT "
PAGE = 4096
"""Bytes whose multiples blocks begin at."""
LONGEST_ROW = 64 << 20
"""Bytes of the fixed part of a row."""

VERSION = 7
NUMERIC, CHARACTER = 1, 2
DOUBLE, INT32, INT64 = 0, 1, 2
FIXED, VARYING_TEXT, VARYING_BYTES = 0, 0x10000, 0x10001
REFERENCE_BYTES = 16
"""A varying value lies elsewhere; in its row are its place and its length, 8 bytes each."""

IMAGE = {b"content": b"image"}
"""What Arrow keeps of a column that holds images."""

MOMENTS: dict[str, pa.DataType] = {
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIME": pa.time64("us"),
}
"""Formats of numbers that are dates (days) and times (seconds), counted from 1960 or midnight."""

_TABLE = Struct("<8s4IQ12x")
_LENGTH = Struct("<I")
_PLACE = Struct("<5I")
_FORMAT = Struct("<3I")
_KIND = Struct("<qqIII12x")
_RESERVED = bytes.fromhex("d10100001400000000000000")

_NUMBERS: dict[int, tuple[pa.DataType, int]] = {
    DOUBLE: (pa.float64(), 8),
    INT32: (pa.int32(), 4),
    INT64: (pa.int64(), 8),
}


@dataclass(frozen=True)
class HdatColumn:
    """A column as a file declares it.

    Attributes:
        offset: of its first byte in a row.
        length: bytes in a row.
        kind: NUMERIC or CHARACTER.
        variant: of a number DOUBLE, INT32 or INT64; of characters FIXED or one of the varying.
        format: name of the format it is shown in, such as ``DATE``.
        longest: bytes of its longest value.
    """

    name: str
    offset: int
    length: int
    kind: int
    variant: int
    is_image: bool = False
    format: str = ""
    longest: int = -1

    @property
    def is_varying(self) -> bool:
        return self.kind == CHARACTER and self.variant != FIXED

    @property
    def type(self) -> pa.DataType:
        """The type of its values; dates and times are numbers with a format."""
        if self.kind == NUMERIC:
            return self.moment or _NUMBERS[self.variant][0]
        return pa.binary() if self.variant == VARYING_BYTES else pa.string()

    @property
    def moment(self) -> pa.DataType | None:
        """The type of dates and times; None of other numbers."""
        is_plain = self.kind == NUMERIC and self.variant == DOUBLE
        return MOMENTS.get(self.format.upper()) if is_plain else None

    @property
    def field(self) -> "pa.Field[pa.DataType]":
        return pa.field(self.name, self.type, metadata=IMAGE if self.is_image else None)


@dataclass(frozen=True)
class Header:
    """What stands in front of the rows.

    Attributes:
        row_bytes: of the fixed part of a row.
        rows: 0 where the file does not say.
        data: place of the first block.
    """

    row_bytes: int
    rows: int
    columns: tuple[HdatColumn, ...]
    data: int


def paged(place: int) -> int:
    """Return the first multiple of a page that is not before a place."""
    return ceil(place / PAGE) * PAGE


class _Cursor:
    """Reads the header from front to back, and never past its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise InvalidFile("the file ends inside its header, expected a whole SASHDAT file")
        found = self._data[self._at : end]
        self._at = end
        return found

    def numbers(self, layout: Struct) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size))

    def text(self) -> str:
        """Read a length and as many bytes of text."""
        (size,) = self.numbers(_LENGTH)
        return self.take(size).decode("utf-8", "replace").rstrip("\0 ")


def read_header(head: bytes, read_on: "Iterator[bytes]") -> Header:
    """Return the header of a file.

    Args:
        head: the first two pages.
        read_on: gives the pages after them, one at a time.

    Raises:
        InvalidFile: it is none, or one that is damaged; the message says where.
    """
    if not head.startswith(FILE_MAGIC) or head[PAGE : PAGE + len(TABLE_MAGIC)] != TABLE_MAGIC:
        raise InvalidFile("the file cannot be read as SASHDAT: it does not begin like one")
    table = head[PAGE:]
    _, version, size, row_bytes, count, rows = _TABLE.unpack_from(table)
    if version != VERSION or not 0 < count <= MOST_COLUMNS or not 0 < row_bytes <= LONGEST_ROW:
        raise InvalidFile(
            f"the file cannot be read as SASHDAT: its header tells version {version}, {count} "
            f"columns and {row_bytes} bytes in a row"
        )
    while len(table) < size and (more := next(read_on, b"")):
        table += more
    cursor = _Cursor(table[:size])
    cursor.take(_TABLE.size)
    declared = [_declared(cursor) for _ in range(count)]
    columns = tuple(_column(cursor, each, row_bytes) for each in declared)
    check_names([column.name for column in columns])
    return Header(row_bytes, rows, columns, paged(PAGE + size))


def _declared(cursor: _Cursor) -> tuple[str, int, int, int, str]:
    """Read the first entry of a column: name, kind, offset, length, format."""
    name = cursor.text()
    cursor.numbers(_LENGTH)  # its place, from 1
    cursor.text()  # its label
    kind, offset, length, _alignment, format_bytes = cursor.numbers(_PLACE)
    form = cursor.take(format_bytes).decode("ascii", "replace").rstrip("\0 ")
    cursor.numbers(_FORMAT)
    return name[: NAME_LENGTH + 1], kind, offset, length, form


def _column(
    cursor: _Cursor, declared: tuple[str, int, int, int, str], row_bytes: int
) -> HdatColumn:
    """Read the second entry of a column and check both."""
    name, kind, offset, length, form = declared
    longest, _, variant, _, image = cursor.numbers(_KIND)
    known = {DOUBLE, INT32, INT64} if kind == NUMERIC else {FIXED, VARYING_TEXT, VARYING_BYTES}
    if kind not in (NUMERIC, CHARACTER) or variant not in known:
        raise InvalidFile(
            f"column {name!r} of the SASHDAT file is of kind {kind} and variant {variant}, "
            "expected numbers, text or bytes",
            column=name,
        )
    column = HdatColumn(name, offset, length, kind, variant, bool(image & 1), form, longest)
    needed = REFERENCE_BYTES if column.is_varying else 1
    needed = _NUMBERS[variant][1] if kind == NUMERIC else needed
    if length < needed or offset + length > row_bytes:
        raise InvalidFile(
            f"column {name!r} of the SASHDAT file lies at {offset} with {length} bytes, expected "
            f"at least {needed} inside the {row_bytes} bytes of a row",
            column=name,
        )
    return column


def header_bytes(columns: Sequence[HdatColumn], row_bytes: int, rows: int, block: int) -> bytes:
    """Return what stands in front of the rows of a file with one block of them.

    Args:
        columns: in order.
        row_bytes: of the fixed part of a row.
        rows: their number.
        block: bytes of the block.
    """
    entries = b"".join(_entry(place, column) for place, column in enumerate(columns, start=1))
    entries += b"".join(
        _KIND.pack(
            column.longest,
            column.longest if column.variant == VARYING_TEXT else -1,
            column.variant,
            0,
            int(column.is_image),
        )
        for column in columns
    )
    size = ceil((_TABLE.size + len(entries)) / 8) * 8
    table = _TABLE.pack(TABLE_MAGIC, VERSION, size, row_bytes, len(columns), rows)
    table = table[: -len(_RESERVED)] + _RESERVED + entries
    return _directory(size, block) + table.ljust(paged(PAGE + size) - PAGE, b"\0")


def _entry(place: int, column: HdatColumn) -> bytes:
    name, form = column.name.encode(), column.format.encode()
    shown = max(column.longest, 1) if column.kind == CHARACTER else 12
    return b"".join(
        (
            _LENGTH.pack(len(name)),
            name,
            _LENGTH.pack(place),
            _LENGTH.pack(0),
            _PLACE.pack(column.kind, column.offset, column.length, 64, len(form)),
            form,
            _FORMAT.pack(0, 0, min(shown, 2**31)),
        )
    )


def _directory(header_size: int, block: int) -> bytes:
    """Return the first page: words of 8 bytes, most of them zero."""
    words = [0] * (PAGE // 8)
    words[10:14] = 490, 2, 1, block
    words[502], words[503], words[505] = 1, 1 << 32, header_size
    page = b"".join(word.to_bytes(8, "little") for word in words)
    return FILE_MAGIC + page[len(FILE_MAGIC) :]
