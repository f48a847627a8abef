"""What loops are handed: where tensors lie in memory."""

import ctypes

from torch import Tensor

Margins = tuple[int, int, int, int]
"""Zeros around an image: left, right, top and bottom."""

WINDOW = 2
"""Neighbours down and across of which the largest is taken, where that is asked for; windows lie
side by side."""


class Images(ctypes.Structure):
    """``Images`` of ``vectors.h``."""

    _fields_ = (
        ("first", ctypes.c_void_p),
        *(
            (name, ctypes.c_int64)
            for name in ("image", "row", "column", "rows", "columns", "top", "left")
        ),
    )


def laid_images(x: Tensor, top: int = 0, left: int = 0) -> Images:
    """Return images (N, C, H, W), channels last, of float32.

    Args:
        x: the images.
        top: pixels above an image with which the first tile or window begins.
        left: likewise, to the left.
    """
    image, _, row, column = x.stride()
    return Images(x.data_ptr(), image, row, column, x.shape[2], x.shape[3], top, left)


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where the numbers of a tensor begin; a null pointer for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def output_size(x: Tensor, cells: tuple[int, int], margins: Margins) -> tuple[int, int]:
    """Return the height and the width of the convolution of images (N, C, H, W).

    Args:
        x: the images.
        cells: of a filter, down and across.
        margins: zeros around an image.
    """
    left, right, top, bottom = margins
    down, across = cells
    return x.shape[2] + top + bottom - down + 1, x.shape[3] + left + right - across + 1
