import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from engine.data.images import decode_image, image_size
from engine.errors import DataError


def png(pixels: np.ndarray, *, orientation: int | None = None) -> bytes:
    image, out = Image.fromarray(pixels), BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image.save(out, "PNG", exif=exif)
    return out.getvalue()


def header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


# a 1 x 2 picture: a red pixel beside a blue one
RED_BLUE = np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8)


def test_colours_are_blue_green_red_by_default_order_bgr() -> None:
    pixels = decode_image(png(RED_BLUE), shape=(3, 1, 2), channel_order="BGR", row=0)

    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, [[[0, 255]], [[0, 0]], [[255, 0]]])


def test_colours_are_red_green_blue_when_asked_for() -> None:
    pixels = decode_image(png(RED_BLUE), shape=(3, 1, 2), channel_order="RGB", row=0)
    np.testing.assert_array_equal(pixels, [[[255, 0]], [[0, 0]], [[0, 255]]])


def test_a_grey_picture_is_repeated_in_three_channels() -> None:
    grey = np.array([[7, 9]], dtype=np.uint8)
    pixels = decode_image(png(grey), shape=(3, 1, 2), channel_order="BGR", row=0)
    np.testing.assert_array_equal(pixels, [[[7, 9]]] * 3)


def test_a_grey_picture_keeps_its_values() -> None:
    grey = np.array([[7, 9], [1, 255]], dtype=np.uint8)
    pixels = decode_image(png(grey), shape=(1, 2, 2), channel_order="BGR", row=0)
    np.testing.assert_array_equal(pixels, [grey])


def test_sixteen_bits_keep_their_upper_eight() -> None:
    deep = np.array([[0x1234, 0xFF00]], dtype=np.uint16)
    pixels = decode_image(png(deep), shape=(1, 1, 2), channel_order="BGR", row=0)
    np.testing.assert_array_equal(pixels, [[[0x12, 0xFF]]])


def test_the_exif_orientation_is_applied() -> None:
    # orientation 6: the stored picture must be turned clockwise, so its left becomes the top
    grey = np.array([[1, 2, 3]], dtype=np.uint8)
    data = png(grey, orientation=6)
    pixels = decode_image(data, shape=(1, 3, 1), channel_order="BGR", row=0)
    np.testing.assert_array_equal(pixels, [[[1], [2], [3]]])


def test_another_size_is_refused_and_not_resized() -> None:
    with pytest.raises(
        DataError,
        match=r"^column 'pic', row 4 got an image of 2 x 1 pixels, expected 3 x 1 as the input "
        r"layer declares; resize it first$",
    ):
        decode_image(png(RED_BLUE), shape=(3, 1, 3), channel_order="BGR", row=4, column="pic")


def test_bytes_that_are_no_image_are_named_with_row_and_column() -> None:
    with pytest.raises(
        DataError,
        match=r"^column '_image_', row 7 got 5 bytes that are no readable image, expected one of "
        r"PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM$",
    ):
        decode_image(b"hello", shape=(3, 1, 2), channel_order="BGR", row=7)


def test_a_cut_off_image_is_refused() -> None:
    with pytest.raises(DataError, match=r"^column '_image_', row 0 got 45 bytes that are no read"):
        decode_image(header_only(2, 2), shape=(1, 2, 2), channel_order="BGR", row=0)


def test_a_picture_of_too_many_pixels_is_refused_by_its_header() -> None:
    with pytest.raises(
        DataError,
        match=r"^column '_image_', row 0 got an image of too many pixels, "
        r"expected at most 80000000$",
    ):
        decode_image(header_only(100_000, 100_000), shape=(1, 2, 2), channel_order="BGR", row=0)


def test_a_declared_size_of_too_many_pixels_is_refused_too() -> None:
    with pytest.raises(
        DataError,
        match=r"^column '_image_', row 0 got an image of 80001 x 1000 pixels, "
        r"expected at most 80000000 pixels$",
    ):
        decode_image(
            header_only(80_001, 1_000), shape=(1, 1_000, 80_001), channel_order="BGR", row=0
        )


def test_two_channels_are_refused() -> None:
    with pytest.raises(
        DataError,
        match=r"^column '_image_', row 0 got an image for 2 channels, expected 1 or 3$",
    ):
        decode_image(png(RED_BLUE), shape=(2, 1, 2), channel_order="BGR", row=0)


@pytest.mark.parametrize(("orientation", "size"), [(None, (1, 2)), (3, (1, 2)), (6, (2, 1))])
def test_the_size_is_that_of_the_upright_picture(
    orientation: int | None, size: tuple[int, int]
) -> None:
    assert image_size(png(RED_BLUE, orientation=orientation), row=0) == size


def test_the_size_of_what_is_no_image_is_refused() -> None:
    message = (
        "column 'pic', row 4 got 3 bytes that are no readable image, "
        "expected one of PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM"
    )
    with pytest.raises(DataError, match=f"^{message}$"):
        image_size(b"abc", row=4, column="pic")
