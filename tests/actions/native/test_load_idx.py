"""Tables of files of the format idx."""

import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import InvalidFile
from actions.memory import MemoryStores
from tests.actions.house import Run, nothing_changes, rows_of

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) * 10


def idx(values: npt.NDArray[Any], kind: int) -> bytes:
    """Return an array as a file, written out by the format's description."""
    head = struct.pack(">HBB", 0, kind, values.ndim)
    return head + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def put_file(ctx: Context) -> Callable[[str, bytes], None]:
    folder: Path = ctx.caslibs.find("PUBLIC").path

    def write(name: str, data: bytes) -> None:
        (folder / name).write_bytes(data)

    return write


Put = Callable[[str, bytes], None]


def test_images_come_with_their_labels(run: Run, ctx: Context, put_file: Put) -> None:
    put_file("x.gz", gzip.compress(idx(PIXELS, 8)))
    put_file("y", idx(np.array([7, 3], np.uint8), 8))

    run("castorch.loadIdx", caslib="PUBLIC", path="x.gz", labels="y", casOut="t")

    rows = rows_of(ctx, "t")
    assert [(row["_id_"], row["_label_"]) for row in rows] == [(1, "7"), (2, "3")]
    for row, expected in zip(rows, PIXELS, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(row["_image_"]))), expected)


def test_other_arrays_become_numbers(run: Run, ctx: Context, put_file: Put) -> None:
    put_file("x", idx(np.array([[1.5, -2.0], [0.0, 8.0]], ">f8"), 14))
    run("castorch.loadIdx", caslib="PUBLIC", path="x", casOut="t")
    assert rows_of(ctx, "t") == [
        {"c1": 1.5, "c2": -2.0, "_id_": 1},
        {"c1": 0.0, "c2": 8.0, "_id_": 2},
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"\0\0\x07\x01\0\0\0\x01\0",
            r"^the file 'x' begins with 00 00 07 01, expected idx: 00 00, ",
        ),
        (b"\0\0", r"^the file 'x' begins with 00 00, expected idx"),
        (b"\0\0\x08\x02\0\0\0\x01", r"^the file 'x' begins with 00 00 08 02, expected idx"),
        (idx(PIXELS, 8)[:-1], r"^the file 'x' ends in row 1, expected 2 rows of 12 bytes$"),
        (idx(PIXELS, 8) + b"1", r"^the file 'x' goes on after its 2 rows, expected its end$"),
        (gzip.compress(idx(PIXELS, 8))[:20], r"^the file 'x' cannot be unpacked: Compressed file"),
    ],
    ids=["kind", "short", "head-only", "cut", "long", "packed"],
)
def test_a_file_that_is_not_of_the_format_is_named(
    run: Run, stores: MemoryStores, put_file: Put, data: bytes, message: str
) -> None:
    put_file("x", data)
    with nothing_changes(stores), pytest.raises(InvalidFile, match=message):
        run("castorch.loadIdx", caslib="PUBLIC", path="x", casOut="t")


def test_labels_are_as_many_as_rows(run: Run, put_file: Put) -> None:
    put_file("x", idx(PIXELS, 8))
    put_file("y", idx(np.array([7], np.uint8), 8))
    message = r"^the file 'y' has the axes \[1\], expected \[2\] as 'x' has so many rows$"
    with pytest.raises(InvalidFile, match=message):
        run("castorch.loadIdx", caslib="PUBLIC", path="x", labels="y", casOut="t")


def test_images_are_unpacked_on_request(run: Run, ctx: Context, put_file: Put) -> None:
    put_file("x", idx(PIXELS, 8))
    run("castorch.loadIdx", caslib="PUBLIC", path="x", casOut="t", decode=True)
    found = [row["_image_"] for row in rows_of(ctx, "t")]
    assert found == [b"P5\n4 3\n255\n" + each.tobytes() for each in PIXELS]
