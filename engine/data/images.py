"""Encoded images become uint8 arrays (C, H, W) of exactly the size a model declares."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from engine.errors import DataError

ChannelOrder = Literal["BGR", "RGB"]
Pixels = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that are read; Pillow's other plug-ins (some start programs) are never tried."""

GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
"""Pillow modes without colour."""

QUALITY = 95
"""Of files that lose a little; the highest that Pillow's documentation advises."""

PIXEL_LIMIT = 80_000_000
"""Pixels of the largest image that is decoded; below where Pillow begins to warn."""

SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that exchange width and height."""

MODES = {1: "L", 3: "RGB"}
"""Pillow mode by number of channels."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files."""


def decode_image(
    data: bytes,
    *,
    shape: tuple[int, int, int],
    channel_order: ChannelOrder,
    row: int,
    column: str = "_image_",
    keep_palette: bool = False,
) -> Pixels:
    """Return an image's pixels as uint8 (C, H, W), upright as its EXIF orientation says.

    A grey picture is repeated in three channels and a coloured one reduced to its luminance where
    the model asks for that; transparency is dropped. Nothing is resized.

    Args:
        data: a file in one of ``FORMATS``.
        shape: channels, height and width the model declares; lengths in pixels.
        channel_order: which colour the first of three channels is.
        row: 0-based row of the table, for messages.
        column: name of the column, for messages.
        keep_palette: take the numbers of a palette's colours for pixels, as label images mean them.

    Raises:
        DataError: the bytes are no image, the image has another size or too many pixels, or the
            model declares a number of channels that no picture has.
    """
    channels, height, width = shape
    place = f"column {column!r}, row {row}"
    mode = MODES.get(channels)
    if mode is None:
        raise DataError(
            f"{place} got an image for {channels} channels, expected 1 or 3",
            column=column,
            row=row,
            channels=channels,
        )
    with _opened(data, row, column) as image:
        _check_size(image, (width, height), place)
        upright = ImageOps.exif_transpose(_eight_bits(image))
        if not (keep_palette and upright.mode == "P"):
            upright = upright.convert(mode)
    pixels = np.asarray(upright)
    if channels == 1:
        return pixels[np.newaxis]
    if channel_order == "BGR":
        pixels = pixels[:, :, ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def image_size(data: bytes, *, row: int, column: str = "_image_") -> tuple[int, int]:
    """Return height and width of an image as it stands upright, without unpacking it.

    Args:
        data: a file in one of ``FORMATS``.
        row: 0-based row of the table, for messages.
        column: name of the column, for messages.

    Raises:
        DataError: the bytes are no image.
    """
    with _opened(data, row, column) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
        width, height = image.size[::-1] if turned else image.size
    return height, width


def decode_picture(data: bytes, *, row: int, column: str = "_image_") -> Image.Image:
    """Return an image as Pillow has it: upright, of mode ``L`` or ``RGB``, whatever its size.

    Args:
        data: a file in one of ``FORMATS``.
        row: 0-based row of the table, for messages.
        column: name of the column, for messages.

    Raises:
        DataError: the bytes are no image, or it has too many pixels.
    """
    with _opened(data, row, column) as image:
        _check_pixels(image, f"column {column!r}, row {row}")
        upright = ImageOps.exif_transpose(_eight_bits(image))
        return upright.convert("L" if upright.mode in GREY else "RGB")


def encode_picture(image: Image.Image, kind: str = "PNG") -> bytes:
    """Return a picture as a file; PNG loses nothing.

    Args:
        image: the picture.
        kind: one of ``FORMATS``; JPEG and WEBP lose a little.
    """
    file = BytesIO()
    options = {"quality": QUALITY} if kind in ("JPEG", "WEBP") else {}
    image.save(file, format=kind, **options)
    return file.getvalue()


def picture_kind(data: bytes, *, row: int, column: str = "_image_") -> str:
    """Return what kind of image a file is, as :func:`kind_of`, without unpacking it.

    Raises:
        DataError: the bytes are no image.
    """
    with _opened(data, row, column) as image:
        return kind_of(image)


def kind_of(image: Image.Image) -> str:
    """Return the usual ending of files of an image's format: ``jpg``, ``png``, ``tiff``, ..."""
    name = str(image.format).lower()
    return "jpg" if name in ("jpeg", "mpo") else name


@contextmanager
def _opened(data: bytes, row: int, column: str) -> Iterator[Image.Image]:
    """Open an image, and say what is wrong with it if something is."""
    place = f"column {column!r}, row {row}"
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{place} got an image of too many pixels, expected at most {PIXEL_LIMIT}",
            column=column,
            row=row,
        ) from error
    except BROKEN as error:
        raise DataError(
            f"{place} got {len(data)} bytes that are no readable image, "
            f"expected one of {', '.join(FORMATS)}",
            column=column,
            row=row,
        ) from error


def _check_size(image: Image.Image, expected: tuple[int, int], place: str) -> None:
    """Compare the size in the header, so that nothing of another size is ever unpacked."""
    _check_pixels(image, place)
    width, height = image.size
    # reading EXIF may unpack the image: only done where it can matter
    if image.size in (expected, expected[::-1]):
        turned = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
        width, height = image.size[::-1] if turned else image.size
    if (width, height) != expected:
        raise DataError(
            f"{place} got an image of {width} x {height} pixels, "
            f"expected {expected[0]} x {expected[1]} as the input layer declares; resize it first",
            got=[width, height],
            expected=list(expected),
        )


def _check_pixels(image: Image.Image, place: str) -> None:
    width, height = image.size
    if width * height > PIXEL_LIMIT:
        raise DataError(
            f"{place} got an image of {width} x {height} pixels, "
            f"expected at most {PIXEL_LIMIT} pixels",
            pixels=width * height,
        )


def _eight_bits(image: Image.Image) -> Image.Image:
    """Keep the upper eight bits of a 16-bit grey image; Pillow would cut off at 255."""
    if not image.mode.startswith("I;16"):
        return image
    upper = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
    grey = Image.fromarray(upper)
    grey.info.update(image.info)
    return grey


def encode_image(pixels: Pixels, kind: str = "PNG") -> bytes:
    """Return pixels (C, H, W) as a file; three channels are blue, green and red.

    Args:
        pixels: the image.
        kind: one of ``FORMATS``; PPM does not pack them.
    """
    picture = pixels[0] if len(pixels) == 1 else pixels[::-1].transpose(1, 2, 0)
    return encode_picture(Image.fromarray(np.ascontiguousarray(picture)), kind)
