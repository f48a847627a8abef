"""SASHDAT files: bytes laid out by hand, files of our own, and hostile ones."""

import struct
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from actions.context import Context
from actions.errors import InvalidFile
from actions.files.sashdat import read_sashdat
from actions.files.sashdat_writer import write_sashdat
from actions.ports import Name
from tests.actions.house import Run, put, rows_of

PAGE = 4096
DOUBLE, INT32, FIXED, TEXT, BYTES = 0, 1, 0, 0x10000, 0x10001


def column(name: str, kind: int, offset: int, length: int, form: str = "") -> bytes:
    """A column's first entry: name, place, label, kind, offset, length, alignment, format."""
    return (
        struct.pack("<I", len(name))
        + name.encode()
        + struct.pack("<IIIIIII", 1, 0, kind, offset, length, 64, len(form))
        + form.encode()
        + struct.pack("<III", 9, 0, 12)
    )


def variant(flags: int, image: int = 0) -> bytes:
    """A column's second entry of 40 bytes: longest value, longest text, flags, image mark."""
    return struct.pack("<qqIII12x", -1, -1, flags, 0, image)


def file_of(columns: list[tuple[bytes, bytes]], row_bytes: int, rows: int, chunks: bytes) -> bytes:
    entries = b"".join(first for first, _ in columns) + b"".join(second for _, second in columns)
    head = struct.pack(
        "<8s4IQ12x", b"SASHDAT ", 7, 44 + len(entries), row_bytes, len(columns), rows
    )
    count = 1 if chunks else 0
    block = struct.pack("<QQQ40x", count, 0, row_bytes) + chunks
    return b"SASDNFS ".ljust(PAGE, b"\0") + (head + entries).ljust(PAGE, b"\0") + block


def chunk(fixed: bytes, varying: bytes = b"") -> bytes:
    whole = len(fixed) + len(varying)
    padded = -(-whole // 8) * 8
    head = struct.pack("<5Q72x", whole, 0, len(fixed), len(varying), padded)
    return head + (fixed + varying).ljust(padded, b"\0")


# x is a double at 0, n an int32 at 8, word four fixed characters at 12, text a reference at 16
COLUMNS = [
    (column("x", 1, 0, 8), variant(DOUBLE)),
    (column("n", 1, 8, 4), variant(INT32)),
    (column("word", 2, 12, 4), variant(FIXED)),
    (column("text", 2, 16, 16), variant(TEXT)),
]
ROW = struct.Struct("<di4sqq")


def good(text: str = "äh!") -> bytes:
    varying = text.encode()
    rows = ROW.pack(1.5, 7, b"ab  ", 0, len(varying))
    rows += ROW.pack(float("nan"), -(2**31), b"    ", 0, 0)
    return file_of(COLUMNS, 32, 2, chunk(rows, varying))


def read(tmp_path: Path, data: bytes) -> list[dict[str, Any]]:
    path = tmp_path / "t.sashdat"
    path.write_bytes(data)
    rows = read_sashdat(path)
    return pa.Table.from_batches(list(rows.batches), rows.schema).to_pylist()


def test_a_file_laid_out_by_hand_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, good()) == [
        {"x": 1.5, "n": 7, "word": "ab", "text": "äh!"},
        {"x": None, "n": None, "word": None, "text": None},
    ]


def test_a_file_of_no_known_length_is_read_to_its_end(tmp_path: Path) -> None:
    fixed = [(column("x", 1, 0, 8), variant(DOUBLE))]
    whole = file_of(fixed, 8, 0, chunk(struct.pack("<dd", 1, 2)))
    second = struct.pack("<QQQ40x", 1, 0, 8) + chunk(struct.pack("<d", 3))
    data = whole.ljust(3 * PAGE, b"\0") + second

    assert [row["x"] for row in read(tmp_path, data)] == [1, 2, 3]


def test_formats_make_dates_and_times_of_numbers(tmp_path: Path) -> None:
    columns = [
        (column("day", 1, 0, 8, "DATE"), variant(DOUBLE)),
        (column("moment", 1, 8, 8, "DATETIME"), variant(DOUBLE)),
        (column("clock", 1, 16, 8, "TIME"), variant(DOUBLE)),
    ]
    # 1960-01-01 is day 0, and 366 days later the leap year is over
    fixed = struct.pack("<ddd", 366, 86_400.5, 3_661) + struct.pack("<d", float("nan")) * 3

    assert read(tmp_path, file_of(columns, 24, 2, chunk(fixed))) == [
        {
            "day": date(1961, 1, 1),
            "moment": datetime(1960, 1, 2, 0, 0, 0, 500_000, UTC).replace(tzinfo=None),
            "clock": time(1, 1, 1),
        },
        {"day": None, "moment": None, "clock": None},
    ]
    far = file_of(columns, 24, 1, chunk(struct.pack("<ddd", 1e300, 0, 0)))
    with pytest.raises(InvalidFile, match=r"^column 'day' of the SASHDAT file holds a value that "):
        read(tmp_path, far)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    moment = datetime(2024, 5, 1, 12, 30, tzinfo=UTC).replace(tzinfo=None)
    table = pa.table(
        {
            "text": ["one", None, "drei €"],
            "bytes": pa.array([b"\0\1", None, b"x" * 5000], pa.binary()),
            "double": [0.5, None, -1e300],
            "single": pa.array([0.5, None, 3.0], pa.float32()),
            "big": pa.array([2**62, None, -5], pa.int64()),
            "small": pa.array([1, None, -3], pa.int16()),
            "yes": [True, None, False],
            "day": pa.array([date(2024, 2, 29), None, date(1900, 1, 1)], pa.date32()),
            "moment": pa.array([moment, None, moment], pa.timestamp("ms")),
            "clock": pa.array([time(23, 59), None, time(0)], pa.time32("s")),
        }
    )
    path = tmp_path / "t.sashdat"

    write_sashdat(path, table.schema, iter(table.to_batches(max_chunksize=2)))

    found = read_sashdat(path)
    back = pa.Table.from_batches(list(found.batches), found.schema)
    assert [str(kind) for kind in back.schema.types] == [
        "string",
        "binary",
        "double",
        "double",
        "int64",
        "int32",
        "int32",
        "date32[day]",
        "timestamp[us]",
        "time64[us]",
    ]
    assert back.to_pylist() == table.to_pylist()


def test_an_image_stays_one(tmp_path: Path) -> None:
    field = pa.field("_image_", pa.binary(), metadata={"content": "image"})
    table = pa.table({"_image_": [b"png"]}, schema=pa.schema([field]))
    path = tmp_path / "t.sashdat"

    write_sashdat(path, table.schema, iter(table.to_batches()))

    assert read_sashdat(path).schema.field(0).metadata == {b"content": b"image"}


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("x", pa.float64())])
    write_sashdat(tmp_path / "t.sashdat", schema, iter(()))

    found = read_sashdat(tmp_path / "t.sashdat")
    assert found.schema == schema
    assert list(found.batches) == []


def test_more_rows_than_a_batch_come_back_in_order(tmp_path: Path) -> None:
    table = pa.table({"n": list(range(20_000))})
    write_sashdat(tmp_path / "t.sashdat", table.schema, iter(table.to_batches()))

    found = read_sashdat(tmp_path / "t.sashdat")
    sizes, numbers = [], []
    for batch in found.batches:
        sizes.append(batch.num_rows)
        numbers += batch.column(0).to_pylist()
    assert max(sizes) == 8192
    assert numbers == list(range(20_000))


def patched(place: int, value: bytes) -> bytes:
    data = bytearray(good())
    data[place : place + len(value)] = value
    return bytes(data)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


BLOCK, CHUNK = 2 * PAGE, 2 * PAGE + 64
TABLE = PAGE + 8

HOSTILE = {
    "not one": (b"PK\3\4" + good()[4:], r"^the file cannot be read as SASHDAT: it does not begin"),
    "short": (good()[:100], r"^the file cannot be read as SASHDAT: it does not begin like one$"),
    "version": (
        patched(TABLE, b"\1"),
        r"SASHDAT: its header tells version 1, 4 columns and 32 byt",
    ),
    "columns": (
        patched(TABLE + 12, b"\xff\xff\xff\xff"),
        r"its header tells version 7, 4294967295 columns and 32 bytes in a row$",
    ),
    "row": (patched(TABLE + 8, b"\0\0\0\0"), r"version 7, 4 columns and 0 bytes in a row$"),
    "name": (
        patched(PAGE + 44, b"\xff\xff\xff\x7f"),
        r"^the file ends inside its header, expected a whole SASHDAT file$",
    ),
    "kind": (
        patched(PAGE + 44 + 13, b"\3"),
        r"^column 'x' of the SASHDAT file is of kind 3 and variant 0, expected numbers, text or ",
    ),
    "offset": (
        patched(PAGE + 44 + 17, b"\x1f"),
        (
            r"^column 'x' of the SASHDAT file lies at 31 with 8 bytes, expected at least 8 inside "
            r"the 32 bytes of a row$"
        ),
    ),
    "block": (
        patched(BLOCK + 16, u64(40)),
        r"^the SASHDAT file has a block of rows of 40 bytes at 8192, expected 32$",
    ),
    "count": (
        patched(BLOCK, u64(2)),
        r"^the SASHDAT file ends at 8440 bytes, expected 112 more from 8440 on$",
    ),
    "huge chunk": (
        patched(CHUNK, u64(1 << 60)),
        (
            r"^the SASHDAT file has a chunk of 1152921504606846976 bytes at 8368, of which 64 in "
            r"rows of 32, 4 beside them and 72 with padding, expected sizes that go together"
        ),
    ),
    "half a row": (
        patched(CHUNK + 16, u64(60)),
        r"of which 60 in rows of 32, 4 beside them and 72",
    ),
    "reference": (
        patched(CHUNK + 112 + 24, u64(5)),
        r"^column 'text' of the SASHDAT file has a value of 5 bytes at 0 of a chunk that holds 4$",
    ),
    "negative": (
        patched(CHUNK + 112 + 16, struct.pack("<q", -1)),
        r"^column 'text' of the SASHDAT file has a value of 4 bytes at -1 of a chunk that holds 4$",
    ),
    "text": (
        patched(CHUNK + 112 + 64, b"\xff"),
        r"^column 'text' of the SASHDAT file holds text that is not UTF-8$",
    ),
    "rows": (patched(TABLE + 16, u64(3)), r"^the SASHDAT file ends after 2 rows, expected 3$"),
    "cut": (good()[:-9], r"^the SASHDAT file has a chunk of 68 bytes at 8368, of which 64 in rows"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_lies_is_refused(tmp_path: Path, name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(InvalidFile, match=message):
        read(tmp_path, data)


def test_any_byte_may_be_wrong(tmp_path: Path) -> None:
    for place in [*range(PAGE, PAGE + 420, 7), *range(BLOCK, len(good()), 5)]:
        for value in (b"\0", b"\xff", b"\x80"):
            try:
                read(tmp_path, patched(place, value))
            except InvalidFile:
                continue


def test_a_table_is_saved_and_loaded_by_actions(run: Run, ctx: Context) -> None:
    put(ctx, "cats", {"name": ["Tom", None], "age": [1, 2]})

    run("table.save", table="cats", name="cats.sashdat")
    run("table.loadTable", path="cats.sashdat", casOut="back")

    assert rows_of(ctx, "back") == [{"name": "Tom", "age": 1}, {"name": None, "age": 2}]
    assert ctx.tables.schema(ctx.tables.find(Name("back"))).names == ["name", "age"]
