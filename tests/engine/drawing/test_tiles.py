"""Numbers as pictures."""

import numpy as np
import pytest

from engine.drawing.tiles import heat, overlay, shades, signed, tiled


def test_the_least_is_black_and_the_largest_white() -> None:
    found = shades(np.array([[2.0, 3.0], [4.0, 7.0]]))
    assert found.tolist() == [[0, 51], [102, 255]]  # 0, 1/5, 2/5, 1 of 255


@pytest.mark.parametrize("value", [3.0, np.nan, np.inf])
def test_what_has_no_range_is_black(value: float) -> None:
    assert shades(np.array([[value, value]])).tolist() == [[0, 0]]


def test_nothing_lies_in_the_middle() -> None:
    assert signed(np.array([-2.0, 0.0, 1.0, 2.0]), 2.0).tolist() == [0, 128, 191, 255]
    assert signed(np.array([0.0]), 0.0).tolist() == [128]


def test_heat_goes_from_black_over_red_and_yellow_to_white() -> None:
    found = heat(np.array([0.0, 1 / 3, 2 / 3, 1.0]))
    assert found.tolist() == [[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255]]


def test_heat_lies_half_over_the_picture() -> None:
    picture = np.full((2, 2, 3), 100, np.uint8)
    found = overlay(picture, np.array([[5.0, 0.0], [0.0, 0.0]]))
    assert found[0, 0].tolist() == [178, 178, 178]  # (100 + 255) / 2, to the nearest even
    assert found[1, 1].tolist() == [50, 50, 50]
    assert (overlay(picture, np.zeros((1, 1))) == 50).all()


def test_small_pictures_are_enlarged_and_put_side_by_side() -> None:
    pictures = [np.full((20, 20), value, np.uint8) for value in (10, 20, 30)]
    found = np.asarray(tiled(pictures))
    assert found.shape == (82, 82)  # twice 40 and a gap of 2
    assert (found[0, 0], found[0, 81], found[81, 0], found[81, 81]) == (10, 20, 30, 255)
    assert (found[40:42] == 255).all()
    assert np.asarray(tiled(pictures, columns=3)).shape == (40, 124)
