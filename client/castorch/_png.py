"""Arrays of pixels as PNG files.

Source: Portable Network Graphics Specification (Second Edition), W3C, sections 5 and 11.
"""

from struct import pack
from typing import Any
from zlib import compress, crc32

from castorch._errors import InvalidInput

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2
COLOUR_TYPES = {1: GREY, 3: COLOUR}
GREY_AXES, COLOUR_AXES = 2, 3


def encode_png(pixels: Any) -> bytes:
    """Return an image as the bytes of a PNG file.

    Args:
        pixels: a uint8 array, (H, W) in grey, or (H, W, 3) in red, green and blue.

    Raises:
        InvalidInput: the array is of another type or shape.
    """
    shape = tuple(pixels.shape)
    channels = shape[2] if len(shape) == COLOUR_AXES else 1
    fits = len(shape) in {GREY_AXES, COLOUR_AXES} and channels in COLOUR_TYPES and all(shape)
    if str(pixels.dtype) != "uint8" or not fits:
        raise InvalidInput(
            f"an image got {pixels.dtype} of shape {shape}, "
            "expected uint8 of shape (height, width) or (height, width, 3)",
            dtype=str(pixels.dtype),
            shape=list(shape),
        )
    height, width = shape[:2]
    rows = pixels.reshape(height, width * channels)
    filtered = b"".join(b"\0" + row.tobytes() for row in rows)
    header = pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", compress(filtered))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))
