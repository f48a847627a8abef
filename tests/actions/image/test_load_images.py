"""Tables of the images in a folder."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import FileNotFound, InvalidFile, InvalidParameters, PathForbidden
from actions.memory import MemoryStores
from engine.errors import NotSupportedError
from tests.actions.house import Run, nothing_changes, picture, rows_of

DARK = picture(np.zeros((2, 3)))


@pytest.fixture
def public(ctx: Context) -> Path:
    return ctx.caslibs.find("PUBLIC").path


@pytest.fixture
def folder(public: Path) -> Path:
    """Images at three depths, with annotations beside them."""
    for name in ("pets/0.png", "pets/small/cat/1.png", "pets/large/dog/2.png"):
        path = public / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DARK)
    (public / "pets" / "0.txt").write_text("cat,0.5,0.5,1,1")
    return public / "pets"


def saved(path: Path, kind: str, image: Image.Image, **options: Any) -> None:
    """Write an image to a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    path.write_bytes(out.getvalue())


@pytest.mark.parametrize("levels", [1, -1])
def test_the_folder_of_a_caslib_is_loaded_whole(
    run: Run, ctx: Context, public: Path, levels: int
) -> None:
    for label in ("cat", "dog"):
        (public / label).mkdir()
        (public / label / "1.png").write_bytes(DARK)

    run("image.loadImages", caslib="PUBLIC", path="", casOut="pets", labelLevels=levels)

    found = [(row["_label_"], row["_filename_0"], row["_id_"]) for row in rows_of(ctx, "pets")]
    assert found == [("cat", "1.png", 1), ("dog", "1.png", 2)]


@pytest.mark.parametrize(
    ("levels", "labels"),
    [
        (-1, ["", "dog", "cat"]),
        (-2, ["", "large", "small"]),
        (1, ["", "large", "small"]),
        (2, ["", "dog", "cat"]),
        (3, ["", "", ""]),
        (0, [None, None, None]),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_label_is_a_folder_on_the_way(
    run: Run, ctx: Context, levels: int, labels: list[str | None]
) -> None:
    run("image.loadImages", caslib="PUBLIC", path="pets", casOut="t", labelLevels=levels)
    assert [row.get("_label_") for row in rows_of(ctx, "t")] == labels
    assert ("_label_" in rows_of(ctx, "t")[0]) is (levels != 0)


def test_folders_in_the_folder_may_be_left_out(run: Run, ctx: Context, folder: Path) -> None:
    run("image.loadImages", caslib="PUBLIC", path="pets", casOut="t", recurse=False)
    (row,) = rows_of(ctx, "t")
    assert row["_path_"] == (folder / "0.png").as_posix()
    assert (row["_type_"], row["_size_"]) == ("png", len(DARK))


def test_a_list_names_the_images(run: Run, ctx: Context, public: Path, folder: Path) -> None:
    absolute = (folder / "large" / "dog" / "2.png").as_posix()
    (public / "list.csv").write_text(f"_path_\npets/0.png\n{absolute}\n\n")

    run("image.loadImages", caslib="PUBLIC", path="list.csv", pathIsList=True, casOut="t")

    found = [(row["_filename_0"], row["_label_"]) for row in rows_of(ctx, "t")]
    assert found == [("0.png", "pets"), ("2.png", "dog")]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (b"../other.png\n", PathForbidden, r"^the path '../other.png' climbs with '..', expected "),
        (b"pets/9.png\n", FileNotFound, r"^caslib 'PUBLIC' has no file 'pets/9.png'; did you mean"),
        (b"\xff\xfe\x00", InvalidFile, r"^the list 'list.csv' is no CSV file of paths$"),
        (b"_path_\n", InvalidFile, r"^there is no image, expected at least one$"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_list_leads_nowhere_else(
    run: Run,
    stores: MemoryStores,
    public: Path,
    text: bytes,
    error: type[Exception],
    message: str,
) -> None:
    (public / "list.csv").write_bytes(text)
    with nothing_changes(stores), pytest.raises(error, match=message):
        run("image.loadImages", caslib="PUBLIC", path="list.csv", pathIsList=True, casOut="t")


def test_sizes_are_those_of_upright_images(run: Run, ctx: Context, public: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (public / "turned").mkdir()
    saved(public / "turned" / "1.jpg", "JPEG", Image.new("RGB", (30, 20)), exif=exif)

    run(
        "image.loadImages",
        caslib="PUBLIC",
        path="turned",
        casOut="t",
        addColumns=["width", "height"],
        distribution={"type": "random"},
    )

    (row,) = rows_of(ctx, "t")
    assert (row["_width_"], row["_height_"], row["_type_"]) == (20, 30, "jpg")


def test_a_truncated_image_is_named(run: Run, stores: MemoryStores, public: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    (public / "half").mkdir()
    saved(public / "half" / "cut.jpg", "JPEG", noise, progressive=True)
    whole = (public / "half" / "cut.jpg").read_bytes()
    (public / "half" / "cut.jpg").write_bytes(whole[: len(whole) // 2])

    message = r"^image 'cut.jpg' cannot be decoded, expected one of PNG, JPEG, BMP, GIF, TIFF, WEBP"
    with nothing_changes(stores), pytest.raises(InvalidFile, match=message):
        run("image.loadImages", caslib="PUBLIC", path="half", casOut="t")


def test_what_is_not_built_is_refused(run: Run) -> None:
    message = (
        r"^parameter 'decode' of image.loadImages is not supported yet: images stay the files they "
        r"were; image.processImages unpacks them$"
    )
    with pytest.raises(NotSupportedError, match=message):
        run("image.loadImages", caslib="PUBLIC", path="pets", decode=True)
    message = r"^parameter 'addColumns\[0\]' got 'DEPTH', expected one of WIDTH, HEIGHT"
    with pytest.raises(InvalidParameters, match=message):
        run("image.loadImages", caslib="PUBLIC", path="pets", addColumns=["DEPTH"])
