from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engine.data.unpacked import unpacked
from tests.engine.networks import objects

GREY = b"P5\n3 2\n255\n" + bytes([1, 2, 3, 4, 5, 6])
COLOUR = b"P6\n2 1\n255\n" + bytes([10, 20, 30, 40, 50, 60])
"""Two pixels: red 10, green 20, blue 30, and red 40, green 50, blue 60."""


def read(
    *cells: object, shape: tuple[int, int, int], order: Any = "RGB"
) -> npt.NDArray[Any] | None:
    return unpacked(objects(*cells), shape, order)


def test_grey_pixels_are_read_row_by_row() -> None:
    other = GREY[:-1] + b"\xff"
    found = read(GREY, other, shape=(1, 2, 3))
    np.testing.assert_array_equal(found, [[[[1, 2, 3], [4, 5, 6]]], [[[1, 2, 3], [4, 5, 255]]]])


def test_colours_come_in_the_order_that_is_asked_for() -> None:
    np.testing.assert_array_equal(
        read(COLOUR, shape=(3, 1, 2)), [[[[10, 40]], [[20, 50]], [[30, 60]]]]
    )
    np.testing.assert_array_equal(
        read(COLOUR, shape=(3, 1, 2), order="BGR"), [[[[30, 60]], [[20, 50]], [[10, 40]]]]
    )


@pytest.mark.parametrize(
    "cells",
    [
        (),
        (None,),
        (b"\x89PNG",),
        (GREY, None),
        (GREY, GREY + b"1"),
        (GREY, COLOUR),
        (GREY[:-1],),
        (b"P5\n3 2\n65535\n" + bytes(12),),
        (b"P5\n# a remark\n3 2\n255\n" + bytes(6),),
        (b"P5\n2 3\n255\n" + bytes(6),),
    ],
    ids=["no", "none", "png", "missing", "long", "kinds", "cut", "deep", "remark", "size"],
)
def test_other_files_are_left_to_a_decoder(cells: tuple[object, ...]) -> None:
    assert read(*cells, shape=(1, 2, 3)) is None
