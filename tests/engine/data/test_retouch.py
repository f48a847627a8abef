"""Functions from one picture to another."""

import numpy as np
import pytest
from PIL import Image

from engine.data.retouch import mutate, normalize

SHADES = np.random.default_rng(2).integers(0, 256, (6, 8), np.uint8)
BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def smoothed(values: np.ndarray, row: int, column: int) -> float:
    """Return the value of an inner pixel after smoothing, written out."""
    return float((values[row - 2 : row + 3, column - 2 : column + 3] * BINOMIAL).sum())


def test_a_pyramid_halves_and_doubles() -> None:
    picture = Image.fromarray(SHADES)

    half = np.asarray(mutate(picture, "pyramidDown"))
    double = np.asarray(mutate(picture, "pyramidUp"))

    assert (half.shape, double.shape) == ((3, 4), (12, 16))
    assert half[1, 2] == round(smoothed(SHADES.astype(float), 2, 4))
    spread = np.zeros((12, 16))
    spread[::2, ::2] = SHADES * 4.0
    assert double[5, 7] == round(smoothed(spread, 5, 7))
    assert double[6, 8] == round(smoothed(spread, 6, 8))


@pytest.mark.parametrize("mutation", ["pyramidDown", "pyramidUp"])
def test_an_even_picture_stays_even(mutation: str) -> None:
    values = np.asarray(mutate(Image.new("RGB", (1, 9), (10, 20, 30)), mutation))  # type: ignore[arg-type]
    inner = values[2:-2] if mutation == "pyramidUp" else values
    if mutation == "pyramidDown":
        assert (inner == (10, 20, 30)).all()
    else:
        assert values.shape == (18, 2, 3)


def test_sharpening_adds_the_differences_to_the_neighbours() -> None:
    sharp = np.asarray(mutate(Image.fromarray(SHADES // 4 + 60), "sharpen")).astype(int)
    values = (SHADES // 4 + 60).astype(int)
    neighbours = values[1, 3] + values[3, 3] + values[2, 2] + values[2, 4]
    assert sharp[2, 3] == np.clip(5 * values[2, 3] - neighbours, 0, 255)


def test_a_picture_of_one_value_becomes_the_least() -> None:
    values = np.asarray(normalize(Image.new("L", (2, 2), 77), 5, 9))
    assert (values == 5).all()
