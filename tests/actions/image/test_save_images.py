"""Images of a table as files of a caslib."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import InvalidFile, InvalidParameters, PathForbidden
from tests.actions.house import Run, picture, put

SHADES = np.arange(256, dtype=np.uint8).reshape(16, 16)
PNG = picture(SHADES)


@pytest.fixture
def public(ctx: Context) -> Path:
    return ctx.caslibs.find("PUBLIC").path


@pytest.fixture(autouse=True)
def pets(ctx: Context) -> None:
    put(
        ctx,
        "pets",
        {
            "_image_": [PNG, PNG, None, PNG],
            "_filename_0": ["1.png", "/far/away/2.jpg", "3.png", "4"],
            "_label_": ["cat", "a/b", "cat", None],
            "number": [1, 2, 3, 4],
        },
    )


def save(run: Run, table: Any = "pets", path: str = "_filename_0", **raw: Any) -> None:
    run("image.saveImages", images={"table": table, "path": path}, caslib="PUBLIC", **raw)


def test_files_lie_in_folders_of_their_labels(run: Run, public: Path) -> None:
    save(run, labelLevels=1, subDirectory="out")

    found = sorted(p.relative_to(public / "out").as_posix() for p in public.rglob("out/**/*.*"))
    assert found == ["4.png", "a_b/2.jpg", "cat/1.png"]
    assert (public / "out" / "cat" / "1.png").read_bytes() == PNG
    converted = Image.open(public / "out" / "a_b" / "2.jpg")
    assert converted.format == "JPEG"
    np.testing.assert_allclose(np.asarray(converted, int), SHADES.astype(int), atol=8)


def test_names_may_begin_alike(run: Run, public: Path) -> None:
    save(run, {"name": "pets", "where": "number = 1"}, prefix="p_")
    assert (public / "p_1.png").is_file()


def test_a_file_is_only_replaced_if_asked(run: Run, public: Path) -> None:
    one = {"name": "pets", "where": "number = 1"}
    (public / "1.png").write_bytes(b"old")
    message = r"^the file '1.png' exists in caslib 'PUBLIC'; set replace to overwrite it$"
    with pytest.raises(InvalidFile, match=message):
        save(run, one)
    save(run, one, replace=True)
    assert (public / "1.png").read_bytes() == PNG


def test_nothing_is_written_outside_the_caslib(run: Run) -> None:
    with pytest.raises(PathForbidden, match=r"^the path '\.\./1.png' climbs with '\.\.', expected"):
        save(run, subDirectory="..")


def test_a_column_of_numbers_has_no_names(run: Run) -> None:
    message = r"^parameter 'images.path' got column 'number', which holds no text, expected names "
    with pytest.raises(InvalidParameters, match=message):
        save(run, path="number")


def test_an_ending_of_no_image_is_refused(run: Run, ctx: Context) -> None:
    put(ctx, "pets", {"_image_": [PNG], "_filename_0": ["1.txt"]})
    message = r"^row 0 of column '_filename_0' names the file '1.txt', expected one that ends in \."
    with pytest.raises(InvalidParameters, match=message):
        save(run)
