"""Photographs of many cameras decode to known means; and small files in every format do.

A folder of photographs with an ``index.csv`` is given by the environment variable PHOTOS; the index
has the columns ``file``, ``decodes`` (``yes`` or ``no ...``), ``mean_r``, ``mean_g`` and
``mean_b``, which another program worked out.
"""

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import InvalidFile
from engine.data.images import decode_picture, kind_of
from tests.actions.house import Run

FOLDER = os.environ.get("PHOTOS", "")
RAMP = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 6
"""A smooth picture, (16, 24), which lossy formats keep well."""


def index() -> list[dict[str, str]]:
    if not FOLDER:
        return []
    with (Path(FOLDER) / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(not FOLDER, reason="PHOTOS names no folder of photographs")
@pytest.mark.parametrize("row", index(), ids=lambda row: row["file"])
def test_a_photograph_decodes_to_its_means_or_fails_by_name(
    run: Run, ctx: Context, row: dict[str, str]
) -> None:
    name = row["file"]
    folder = ctx.caslibs.find("PUBLIC").path / "photos"
    folder.mkdir()
    (folder / name).write_bytes((Path(FOLDER) / name).read_bytes())
    if row["decodes"] != "yes":
        with pytest.raises(InvalidFile, match=f"^image '{name}' cannot be decoded, expected one"):
            run("image.loadImages", caslib="PUBLIC", path="photos", casOut="photos")
        return

    run("image.loadImages", caslib="PUBLIC", path="photos", casOut="photos")
    found = run("image.summarizeImages", table="photos").tables["Summary"]

    told = dict(zip([each.name for each in found.columns], found.rows[0], strict=True))
    means = [told[f"mean{channel}Channel"] for channel in ("3rd", "2nd", "1st")]
    expected = [float(row[f"mean_{colour}"]) for colour in "rgb"]
    # the index has two digits; decoders of JPEG differ by less than one in some pixels
    assert means == pytest.approx(expected, abs=0.006)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


COLOUR = np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=2)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 95, "subsampling": 0}, 4),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 4),
    ],
)
@pytest.mark.parametrize("pixels", [COLOUR, RAMP], ids=["colour", "grey"])
def test_every_format_decodes(
    kind: str, options: dict[str, Any], tolerance: int, pixels: npt.NDArray[np.uint8]
) -> None:
    found = decode_picture(encoded(Image.fromarray(pixels), kind, **options), row=0)
    values = np.asarray(found.convert("RGB") if pixels.ndim == 3 else found.convert("L"))
    np.testing.assert_allclose(values.astype(int), pixels.astype(int), atol=tolerance)


def test_four_inks_become_three_colours() -> None:
    inks = Image.merge("CMYK", [Image.new("L", (4, 4), value) for value in (51, 102, 153, 51)])
    found = np.asarray(decode_picture(encoded(inks, "TIFF"), row=0))
    # paper is 255; each ink and then black take their share away: 255 (1 - C) (1 - K)
    expected = [255 * (1 - ink / 255) * (1 - 51 / 255) for ink in (51, 102, 153)]
    assert found[0, 0] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, RAMP),
        (2, RAMP[:, ::-1]),
        (3, RAMP[::-1, ::-1]),
        (4, RAMP[::-1]),
        (5, RAMP.T),
        (6, np.rot90(RAMP, -1)),
        (7, RAMP[::-1, ::-1].T),
        (8, np.rot90(RAMP)),
    ],
)
def test_a_camera_held_otherwise_is_turned_upright(
    orientation: int, expected: npt.NDArray[np.uint8]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode_picture(encoded(Image.fromarray(RAMP), "PNG", exif=exif), row=0)
    np.testing.assert_array_equal(np.asarray(found), expected)


def test_sixteen_bits_keep_their_upper_eight() -> None:
    deep = Image.fromarray(RAMP.astype(np.uint16) * 256 + 17)
    np.testing.assert_array_equal(np.asarray(decode_picture(encoded(deep, "PNG"), row=0)), RAMP)


def test_a_kind_is_the_usual_ending() -> None:
    kinds = [
        kind_of(Image.open(io.BytesIO(encoded(Image.fromarray(RAMP), kind))))
        for kind in ("JPEG", "PNG", "TIFF")
    ]
    assert kinds == ["jpg", "png", "tiff"]
