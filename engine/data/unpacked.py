"""Images that were unpacked already: many at once, without a decoder.

An unpacked image is a Netpbm file of 8 bits: a header and the pixels, row by row, grey or red,
green and blue. It takes more room than a packed one and no time.

Source: Netpbm, "PGM Format Specification" and "PPM Format Specification".
"""

import re

import numpy as np
import numpy.typing as npt

from engine.data.columns import Column
from engine.data.images import ChannelOrder

HEADER = re.compile(rb"P([56])\s(\d{1,6})\s(\d{1,6})\s255\s")
"""Magic, width, height and largest value, with nothing but one blank between them."""

CHANNELS = {b"5": 1, b"6": 3}


def unpacked(
    cells: Column, shape: tuple[int, int, int], channel_order: ChannelOrder
) -> npt.NDArray[np.uint8] | None:
    """Return the pixels (N, C, H, W) of unpacked images of a size, or None if one is none.

    Args:
        cells: the files.
        shape: channels, height and width.
        channel_order: which colour the first of three channels is.
    """
    first = cells[0] if len(cells) else None
    found = HEADER.match(first) if isinstance(first, bytes) else None
    if found is None:
        return None
    kind, width, height = found.groups()
    if (CHANNELS[kind], int(height), int(width)) != shape:
        return None
    header = found[0]
    size = len(header) + shape[0] * shape[1] * shape[2]
    files = [
        cell
        for cell in cells
        if isinstance(cell, bytes) and len(cell) == size and cell.startswith(header)
    ]
    if len(files) < len(cells):
        return None
    whole = np.frombuffer(b"".join(files), dtype=np.uint8).reshape(len(files), size)
    pixels_NHWC = whole[:, len(header) :].reshape(len(files), shape[1], shape[2], shape[0])
    if shape[0] > 1 and channel_order == "BGR":
        pixels_NHWC = pixels_NHWC[..., ::-1]
    return np.ascontiguousarray(pixels_NHWC).transpose(0, 3, 1, 2)
