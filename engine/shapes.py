"""Per-example shapes, channels first, without the batch axis.

An image is ``(C, H, W)``, a vector of features ``(D,)``. A shape that depends on data which has not
been seen is ``None`` wherever it may occur.
"""

from collections.abc import Sequence
from math import prod

from engine.errors import ShapeError

Shape = tuple[int, ...]

IMAGE_AXES = 3


def one(sources: Sequence[Shape]) -> Shape:
    """Return the shape of a layer's only source.

    Raises:
        ShapeError: there is not exactly one source.
    """
    if len(sources) != 1:
        raise ShapeError(f"got {len(sources)} sources, expected one", sources=list(sources))
    return sources[0]


def image(sources: Sequence[Shape]) -> tuple[int, int, int]:
    """Return the (channels, height, width) of a layer's only source.

    Raises:
        ShapeError: there is not exactly one source, or it is no image.
    """
    shape = one(sources)
    if len(shape) != IMAGE_AXES:
        raise ShapeError(
            f"got {shape}, expected (channels, height, width)", source=list(shape)
        )
    channels, height, width = shape
    return channels, height, width


def flat_size(sources: Sequence[Shape]) -> int:
    """Return the number of values in all sources together."""
    return sum(prod(shape) for shape in sources)
