import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from castorch import InvalidInput, encode_png

SIDE = st.integers(1, 8)
SHAPES = st.one_of(st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE, st.just(3)))


@given(arrays(np.uint8, SHAPES))
def test_an_independent_reader_finds_the_same_pixels(pixels: np.ndarray) -> None:
    image = Image.open(io.BytesIO(encode_png(pixels)))

    assert image.mode == ("RGB" if pixels.ndim == 3 else "L")
    np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (np.zeros((2, 2), np.float32), "float32 of shape (2, 2)"),
        (np.zeros((2, 2, 4), np.uint8), "uint8 of shape (2, 2, 4)"),
        (np.zeros((0, 2), np.uint8), "uint8 of shape (0, 2)"),
        (np.zeros(3, np.uint8), "uint8 of shape (3,)"),
    ],
)
def test_an_array_that_is_no_image_is_refused(pixels: np.ndarray, got: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        encode_png(pixels)

    assert str(caught.value) == (
        f"an image got {got}, expected uint8 of shape (height, width) or (height, width, 3)"
    )
