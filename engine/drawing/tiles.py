"""Numbers as pictures: shades of grey, colours of heat, and many small pictures in one."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[Any]

BRIGHTEST = 255
GAP = 2
"""Pixels between two pictures."""
LEAST_SIDE = 48
"""A smaller picture is enlarged by a whole number to about this many pixels."""


def shades(values: Floats) -> Pixels:
    """Return values (H, W) as shades of grey: the least is black, the largest white.

    Values that are all the same, or not all finite, are black.
    """
    is_flat = not np.isfinite(values).all() or values.max() == values.min()
    if is_flat:
        return np.zeros(values.shape, np.uint8)
    span = float(values.max() - values.min())
    return _pixels((values - values.min()) / span)


def signed(values: Floats, most: float) -> Pixels:
    """Return values of either sign as shades: 0 is grey, ``most`` white, its negative black."""
    return _pixels(0.5 + 0.5 * values / (most or 1.0))


def heat(values: Floats) -> Pixels:
    """Return values (H, W) from 0 to 1 as colours (H, W, 3): black, red, yellow, white."""
    return _pixels(np.stack([3.0 * values, 3.0 * values - 1.0, 3.0 * values - 2.0], axis=-1))


def enlarged(values: Floats, width: int, height: int) -> Floats:
    """Return values (H, W) on a finer grid, bilinear."""
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64)


def overlay(picture: Pixels, values: Floats) -> Pixels:
    """Return a picture (H, W, 3) with the colours of heat over it, half and half.

    The largest value has the brightest colour.
    """
    height, width = picture.shape[:2]
    fine = enlarged(values / (float(values.max()) or 1.0), width, height)
    return _pixels((picture / BRIGHTEST + heat(fine) / BRIGHTEST) / 2.0)


def tiled(pictures: Sequence[Pixels], columns: int | None = None) -> Image.Image:
    """Return pictures of one size, all grey or all coloured, as one, row by row.

    Args:
        pictures: (H, W) or (H, W, 3) each.
        columns: pictures in a row; None: about as many as there are rows.
    """
    height, width = pictures[0].shape[:2]
    factor = max(1, LEAST_SIDE // max(height, width))
    across = columns or ceil(len(pictures) ** 0.5)
    down = ceil(len(pictures) / across)
    step = (factor * height + GAP, factor * width + GAP)
    size = (down * step[0] - GAP, across * step[1] - GAP)
    sheet = np.full((*size, *pictures[0].shape[2:]), BRIGHTEST, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = (place // across) * step[0], (place % across) * step[1]
        large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        sheet[top : top + factor * height, left : left + factor * width] = large
    return Image.fromarray(sheet)


def _pixels(values: Floats) -> Pixels:
    pixels: Pixels = np.rint(np.clip(values, 0.0, 1.0) * BRIGHTEST).astype(np.uint8)
    return pixels
