"""Values of pixels as columns."""

import numpy as np
import pytest

from actions.context import Context
from actions.errors import InvalidParameters
from actions.image import flatten_images
from tests.actions.house import Run, picture, put, rows_of

COLOUR = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)  # red, green, blue of 0, 0 are 0, 1, 2


@pytest.fixture(autouse=True)
def pets(ctx: Context) -> None:
    grey = picture(np.full((4, 6), 9))
    put(
        ctx,
        "pets",
        {"_image_": [picture(COLOUR), None, grey], "_label_": ["a", "b", "c"], "x": [1, 2, 3]},
    )


def test_pixels_come_row_by_row_blue_first(run: Run, ctx: Context) -> None:
    run("image.flattenImages", table="pets", casOut="flat", copyVars="x")

    first, second = rows_of(ctx, "flat")
    assert list(first)[:2] == ["_label_", "x"]
    values = [first[f"c{place}"] for place in range(1, 19)]
    assert values == [2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, 17, 16, 15]
    # the grey one is resized to the first and has three equal channels
    assert {second[f"c{place}"] for place in range(1, 19)} == {9}
    assert [first["x"], second["x"]] == [1, 3]


def test_channels_may_follow_one_another(run: Run, ctx: Context) -> None:
    run("image.flattenImages", table="pets", casOut="flat", groupChannels=True)
    first = rows_of(ctx, "flat")[0]
    values = [first[f"c{place}"] for place in range(1, 19)]
    assert values == [*range(2, 18, 3), *range(1, 18, 3), *range(0, 18, 3)]


def test_a_table_without_images_has_no_rows(run: Run, ctx: Context) -> None:
    run("image.flattenImages", table={"name": "pets", "where": "x = 2"}, casOut="flat")
    assert rows_of(ctx, "flat") == []


def test_more_values_than_columns_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatten_images, "MOST_COLUMNS", 17)
    message = (
        r"^the images of the table 'pets' have 18 values each, expected at most 17; give a smaller "
        r"width and height$"
    )
    with pytest.raises(InvalidParameters, match=message):
        run("image.flattenImages", table="pets", casOut="flat")
