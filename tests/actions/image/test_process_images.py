"""Images of a table, changed step by step."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from actions.context import Context
from actions.errors import InvalidParameters
from actions.memory import MemoryStores
from engine.errors import DataError
from tests.actions.house import Run, nothing_changes, picture, put, rows_of

COLOUR = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
GREY = np.arange(0, 240, 5, dtype=np.uint8).reshape(6, 8)


@pytest.fixture(autouse=True)
def pets(ctx: Context) -> None:
    put(
        ctx,
        "pets",
        {
            "_image_": [picture(COLOUR), None, picture(GREY)],
            "_id_": [7, 8, 9],
            "_label_": ["cat", "dog", "owl"],
            "_size_": [1, 1, 1],
            "_type_": ["jpg", "jpg", "jpg"],
            "weight": [4.0, 30.0, 1.0],
            "other": ["a", "b", "c"],
        },
    )


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def processed(run: Run, ctx: Context, *functions: dict[str, Any]) -> list[npt.NDArray[np.uint8]]:
    """Return the pixels of the images after some functions."""
    steps = [{"functionOptions": each} for each in functions]
    run("image.processImages", table="pets", imageFunctions=steps, casOut="out")
    return [pixels(row["_image_"]) for row in rows_of(ctx, "out")]


def test_what_belongs_to_an_image_goes_with_it(run: Run, ctx: Context) -> None:
    run(
        "image.processImages",
        table="pets",
        copyVars=["WEIGHT"],
        imageFunctions=[{"options": {"functiontype": "RESIZE", "width": 4, "height": 3}}],
        casOut={"name": "pets", "replace": True},
    )

    rows = rows_of(ctx, "pets")
    assert [(row["_id_"], row["_label_"], row["weight"]) for row in rows] == [
        (7, "cat", 4.0),
        (9, "owl", 1.0),
    ]
    assert [(row["_type_"], row["_size_"]) for row in rows] == [
        ("png", len(row["_image_"])) for row in rows
    ]
    assert "other" not in rows[0]
    expected = np.asarray(Image.fromarray(COLOUR).resize((4, 3), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(pixels(rows[0]["_image_"]), expected)
    assert pixels(rows[1]["_image_"]).shape == (3, 4)


def test_all_columns_may_be_copied(run: Run, ctx: Context) -> None:
    step = {"options": {"functionType": "CONVERT_COLOR", "type": "GRAY2COLOR"}}
    run("image.processImages", table="pets", copyVars="all", imageFunctions=[step], casOut="out")
    assert [row["other"] for row in rows_of(ctx, "out")] == ["a", "c"]
    assert pixels(rows_of(ctx, "out")[1]["_image_"]).shape == (6, 8, 3)


def test_a_window_is_cut_out(run: Run, ctx: Context) -> None:
    found = processed(run, ctx, {"functionType": "GET_PATCH", "x": 2, "y": 1, "w": 5, "h": 4})
    np.testing.assert_array_equal(found[0], COLOUR[1:5, 2:7])
    np.testing.assert_array_equal(found[1], GREY[1:5, 2:7])


def test_colours_become_grey(run: Run, ctx: Context) -> None:
    found = processed(run, ctx, {"functionType": "CONVERT_COLOR", "type": "color2gray"})
    # Rec. 601 luma, as in the documentation of Pillow; Pillow rounds to 1/65536
    expected = COLOUR @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(found[0], expected, atol=0.51)
    np.testing.assert_array_equal(found[1], GREY)


def test_values_are_scaled_and_stretched(run: Run, ctx: Context) -> None:
    scaled = processed(run, ctx, {"functionType": "RESCALE", "alpha": 2, "beta": -100})
    for before, after in zip((COLOUR, GREY), scaled, strict=True):
        np.testing.assert_array_equal(after, (before.astype(int) * 2 - 100).clip(0, 255))
    run("table.dropTable", name="out")
    stretched = processed(run, ctx, {"functionType": "NORMALIZE", "alpha": 10, "beta": 120})
    # 0..235 in steps of 5 onto 10..120
    expected = np.rint(10 + GREY * (110 / 235))
    np.testing.assert_array_equal(stretched[1], expected)


@pytest.mark.parametrize(("kind", "low", "high"), [("BINARY", 0, 9), ("BINARY_INV", 9, 0)])
def test_two_values_are_left(run: Run, ctx: Context, kind: str, low: int, high: int) -> None:
    step = {"functionType": "THRESHOLD", "type": kind, "value": 100, "maxValue": 9}
    found = processed(run, ctx, step)
    np.testing.assert_array_equal(found[1], np.where(GREY > 100, high, low))


def test_histograms_are_made_even(run: Run, ctx: Context) -> None:
    found = processed(run, ctx, {"functionType": "HIST_EQUALIZATION", "method": "GLOBAL"})
    np.testing.assert_array_equal(found[0], np.asarray(ImageOps.equalize(Image.fromarray(COLOUR))))


@pytest.mark.parametrize(
    ("mutation", "expected"),
    [
        ("HORIZONTAL_FLIP", COLOUR[:, ::-1]),
        ("verticalFlip", COLOUR[::-1]),
        ("rotateLeft", np.rot90(COLOUR)),
        ("rotateRight", np.rot90(COLOUR, -1)),
        ("invertPixels", 255 - COLOUR),
        ("darken", 0.7 * COLOUR),
        ("lighten", 255 - 0.7 * (255.0 - COLOUR)),
    ],
)
def test_an_image_is_mutated(
    run: Run, ctx: Context, mutation: str, expected: npt.NDArray[Any]
) -> None:
    found = processed(run, ctx, {"functionType": "MUTATIONS", "type": mutation})
    np.testing.assert_allclose(found[0], expected, atol=0.51)


def test_steps_follow_one_another(run: Run, ctx: Context) -> None:
    found = processed(
        run,
        ctx,
        {"functionType": "GET_PATCH", "w": 2, "h": 2},
        {"functionType": "MUTATIONS", "type": "VERTICAL_FLIP"},
    )
    np.testing.assert_array_equal(found[0], COLOUR[:2, :2][::-1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"functionType": "SOBEL"},
            InvalidParameters,
            r"^parameter 'imageFunctions\[0\].options.functionType' got 'SOBEL', expected one of ",
        ),
        (
            {"functionType": "RESIZE", "width": 4},
            InvalidParameters,
            r"^parameter 'imageFunctions\[0\].options.height' is required",
        ),
        (
            {"functionType": "GET_PATCH", "x": 6, "w": 5, "h": 4},
            DataError,
            (
                r"^column '_image_', row 0 got a window of 5 x 4 pixels at \(6, 0\), expected one "
                r"inside its 8 x 6 pixels$"
            ),
        ),
    ],
)
def test_what_cannot_be_done_is_refused(
    run: Run, stores: MemoryStores, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        run(
            "image.processImages",
            table="pets",
            imageFunctions=[{"options": options}],
            casOut={"name": "pets", "replace": True},
        )


def test_a_column_without_images_is_refused(run: Run) -> None:
    step = {"options": {"functionType": "HIST_EQUALIZATION"}}
    message = r"^parameter 'image' got column 'weight' of the table 'pets', which holds no images$"
    with pytest.raises(InvalidParameters, match=message):
        run("image.processImages", table="pets", image="Weight", imageFunctions=[step], casOut="o")


def test_images_are_unpacked_on_request(run: Run, ctx: Context) -> None:
    step = {"functionOptions": {"functionType": "RESIZE", "width": 8, "height": 6}}
    run("image.processImages", table="pets", imageFunctions=[step], casOut="out", decode=True)

    rows = rows_of(ctx, "out")
    assert [row["_type_"] for row in rows] == ["ppm", "ppm"]
    assert rows[0]["_image_"] == b"P6\n8 6\n255\n" + COLOUR.tobytes()
    assert rows[1]["_image_"] == b"P5\n8 6\n255\n" + GREY.tobytes()
    assert [row["_size_"] for row in rows] == [11 + 144, 11 + 48]
