"""New images made of those of a table."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import InvalidParameters
from tests.actions.house import Run, picture, put, rows_of

SHADES = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


@pytest.fixture(autouse=True)
def pets(ctx: Context) -> None:
    put(
        ctx,
        "pets",
        {
            "_id_": [40, 50],
            "_image_": [picture(SHADES), picture(255 - SHADES)],
            "_label_": ["cat", "dog"],
            "_filename_0": ["1.jpg", "2.jpg"],
        },
    )


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def augmented(run: Run, ctx: Context, **raw: Any) -> list[dict[str, Any]]:
    """Return the rows made of the first image."""
    run("image.augmentImages", table="pets", casOut={"name": "out", "replace": True}, **raw)
    return [row for row in rows_of(ctx, "out") if row["_parentId_"] == 40]


def test_a_window_sweeps_over_the_image(run: Run, ctx: Context) -> None:
    window = {"sweepImage": True, "x": 1, "y": 0, "width": 3, "height": 3, "stepSize": 2}
    found = augmented(run, ctx, copyVars=["_filename_0"], cropList=[window])

    # across 1, 3, 5 end at 4, 6, 8; down 0, 2 end at 3, 5; 4 would end at 7, outside
    assert [(row["x"], row["y"]) for row in found] == [
        (1, 0), (3, 0), (5, 0), (1, 2), (3, 2), (5, 2),
    ]  # fmt: skip
    for row in found:
        expected = SHADES[row["y"] : row["y"] + 3, row["x"] : row["x"] + 3]
        np.testing.assert_array_equal(pixels(row["_image_"]), expected)
        assert (row["width"], row["height"]) == (3, 3)
    rows = rows_of(ctx, "out")
    assert [row["_id_"] for row in rows] == list(range(1, 13))
    assert {(row["_parentId_"], row["_label_"], row["_filename_0"]) for row in rows} == {
        (40, "cat", "1.jpg"),
        (50, "dog", "2.jpg"),
    }


def test_results_are_resized(run: Run, ctx: Context) -> None:
    window = {"width": 4, "height": 4, "outputWidth": 2, "outputHeight": 2}
    (row,) = augmented(run, ctx, cropList=[window])
    cut = Image.fromarray(SHADES[:4, :4]).resize((2, 2), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(pixels(row["_image_"]), np.asarray(cut))


def test_a_mask_covers_the_window_and_reaches_over_the_edge(run: Run, ctx: Context) -> None:
    window = {
        "sweepImage": True,
        "width": 4,
        "height": 4,
        "stepSize": 4,
        "outputWidth": 8,
        "outputHeight": 6,
        "mask": True,
    }
    found = augmented(
        run, ctx, cropList=[window], addColumns={"augmentAttributes": ["PATCH_X", "PATCH_Y"]}
    )

    assert [(row["x"], row["y"]) for row in found] == [(0, 0), (4, 0), (0, 4), (4, 4)]
    for row in found:
        expected = SHADES.copy()
        expected[row["y"] : row["y"] + 4, row["x"] : row["x"] + 4] = 0
        np.testing.assert_array_equal(pixels(row["_image_"]), expected)


def test_every_mutation_gives_one_image_more(run: Run, ctx: Context) -> None:
    mutations = {"horizontalFlip": True, "verticalFlip": True, "invertPixels": True}
    found = augmented(run, ctx, cropList=[{"useWholeImage": True, "mutations": mutations}])

    expected = [SHADES, SHADES[:, ::-1], 255 - SHADES, SHADES[::-1]]
    for row, values in zip(found, expected, strict=True):
        np.testing.assert_array_equal(pixels(row["_image_"]), values)


def test_colours_change_by_the_seed(run: Run, ctx: Context) -> None:
    colour = np.full((3, 4, 3), (100, 120, 140), np.uint8)
    put(ctx, "pets", {"_image_": [picture(colour)], "_id_": [40]})
    crop = {
        "useWholeImage": True,
        "mutations": {"colorShifting": True, "colorJittering": True},
    }

    found = [augmented(run, ctx, cropList=[crop], seed=seed) for seed in (1, 1, 2)]

    first, again, other = ([row["_image_"] for row in rows] for rows in found)
    assert first == again != other
    jittered, shifted = (pixels(data).astype(int) for data in first[1:])
    # a change of saturation and contrast keeps the order of channels, brightness is within 1/5
    assert (np.diff(jittered[0, 0]) >= 0).all()
    assert (np.abs(jittered / jittered.mean() - colour / 120) < 0.2).all()
    assert len(np.unique((shifted - colour).reshape(-1, 3), axis=0)) == 1
    assert np.abs(shifted - colour).max() <= 32


def test_results_are_kept_by_chance(run: Run, ctx: Context) -> None:
    crop = {"sweepImage": True, "width": 1, "height": 1}

    found = augmented(run, ctx, cropList=[crop], writeRandomly=True, randomRatio=0.25, seed=1)
    whole = augmented(run, ctx, cropList=[crop], randomRatio=0.25)

    assert len(whole) == 48
    # 48 draws of a quarter: 12 expected, with a deviation of 3
    assert 3 <= len(found) <= 21
    assert augmented(run, ctx, cropList=[crop], writeRandomly=True, randomRatio=0) == []


def test_a_window_that_does_not_fit_gives_nothing(run: Run, ctx: Context) -> None:
    assert augmented(run, ctx, cropList=[{"width": 9, "height": 2}]) == []
    assert augmented(run, ctx, cropList=[{"sweepImage": True, "width": 2, "height": 7}]) == []


def test_a_second_round_starts_from_the_first(run: Run, ctx: Context) -> None:
    augmented(run, ctx, cropList=[{"x": 2, "width": 4, "height": 4}])
    run(
        "image.augmentImages",
        table="out",
        copyVars="all",
        cropList=[{"y": 1, "width": 2, "height": 2}],
        casOut={"name": "out", "replace": True},
    )
    row = rows_of(ctx, "out")[1]
    assert (row["_parentId_"], row["x"], row["y"], row["width"]) == (2, 0, 1, 2)


def test_a_row_without_id_is_told_by_its_number(run: Run, ctx: Context) -> None:
    put(ctx, "pets", {"_image_": [None, picture(SHADES)]})
    run("image.augmentImages", table="pets", casOut="out")
    assert [row["_parentId_"] for row in rows_of(ctx, "out")] == [2]


def test_a_share_is_between_none_and_all(run: Run) -> None:
    message = r"^parameter 'randomRatio' got 1.5, expected less than or equal to 1$"
    with pytest.raises(InvalidParameters, match=message):
        run("image.augmentImages", table="pets", casOut="out", randomRatio=1.5)
