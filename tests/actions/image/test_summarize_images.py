"""What is told of a column of images."""

import io

import numpy as np
import pytest
from PIL import Image

from actions.context import Context
from engine.errors import DataError
from tests.actions.house import Run, picture, put

RNG = np.random.default_rng(5)
COLOUR = RNG.integers(0, 256, (4, 6, 3), np.uint8)
GREY = RNG.integers(0, 256, (2, 10), np.uint8)


def summary(run: Run, table: str = "pets") -> dict[str, object]:
    found = run("image.summarizeImages", table=table).tables["Summary"]
    return dict(zip([each.name for each in found.columns], found.rows[0], strict=True))


def test_sizes_and_channels_are_counted(run: Run, ctx: Context) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(GREY).save(jpeg, "JPEG")
    shades = np.asarray(Image.open(jpeg)).ravel()
    put(ctx, "pets", {"_image_": [picture(COLOUR), None, jpeg.getvalue()]})

    found = summary(run)

    assert list(found)[:9] == [
        "Column",
        "jpg",
        "png",
        "minWidth",
        "maxWidth",
        "minHeight",
        "maxHeight",
        "meanWidth",
        "meanHeight",
    ]
    assert list(found.values())[:9] == ["_image_", 1, 1, 6.0, 10.0, 2.0, 4.0, 8.0, 3.0]
    for channel, name in enumerate(("3rd", "2nd", "1st")):  # red, green, blue
        values = np.concatenate([COLOUR[:, :, channel].ravel(), shades])
        assert found[f"mean{name}Channel"] == pytest.approx(values.mean(), rel=1e-12)
        assert found[f"min{name}Channel"] == values.min()
        assert found[f"max{name}Channel"] == values.max()


def test_nothing_is_told_of_no_images(run: Run, ctx: Context) -> None:
    put(ctx, "pets", {"_image_": [b"x"], "_id_": [1]})
    found = run("image.summarizeImages", table={"name": "pets", "where": "_id_ > 1"})
    assert set(found.tables["Summary"].rows[0][1:]) == {None}


def test_a_cell_that_is_no_image_is_named(run: Run, ctx: Context) -> None:
    put(ctx, "pets", {"_image_": [picture(GREY), b"x"]})
    message = r"^column '_image_', row 1 got 1 bytes that are no readable image, expected one of PN"
    with pytest.raises(DataError, match=message):
        summary(run)
