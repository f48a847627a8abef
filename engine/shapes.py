"""Per-example shapes, channels first, without the batch axis.

An image is ``(C, H, W)``, a vector of features ``(D,)``, a sequence of T steps ``(T, D)``. A shape
that depends on data which has not been seen is ``None`` wherever it may occur.
"""

from collections.abc import Sequence
from math import prod

from engine.errors import ShapeError

Shape = tuple[int, ...]

IMAGE_AXES = 3
SEQUENCE_AXES = 2


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
        raise ShapeError(f"got {shape}, expected (channels, height, width)", source=list(shape))
    channels, height, width = shape
    return channels, height, width


def sequence(sources: Sequence[Shape]) -> tuple[int, int]:
    """Return the (steps, values) of a layer's only source; one map counts, its rows are the steps.

    Raises:
        ShapeError: there is not exactly one source, or it is no sequence.
    """
    shape = one(sources)
    steps = shape[1:] if len(shape) == IMAGE_AXES and shape[0] == 1 else shape
    if len(steps) != SEQUENCE_AXES:
        raise ShapeError(
            f"got {shape}, expected (steps, values) or one map of that size; "
            "put a reshape layer before it",
            source=list(shape),
        )
    return steps[0], steps[1]


def side_by_side(sources: Sequence[Shape]) -> tuple[int, int]:
    """Return the (steps, values) of sequences whose values lie side by side in every step.

    Maps of one pixel, as pooling over whole maps leaves them, are one step of as many values.

    Raises:
        ShapeError: a source is no sequence, or they differ in their steps.
    """
    pairs = [sequence([_one_step(source)]) for source in sources]
    if any(steps != pairs[0][0] for steps, _ in pairs):
        raise ShapeError(
            f"got {', '.join(map(str, sources))}, expected sequences of equally many steps",
            sources=[list(shape) for shape in sources],
        )
    return pairs[0][0], sum(values for _, values in pairs)


def _one_step(shape: Shape) -> Shape:
    """Return maps of one pixel as one step; other shapes as they are."""
    return (1, shape[0]) if len(shape) == IMAGE_AXES and shape[1:] == (1, 1) else shape


def flat_size(sources: Sequence[Shape]) -> int:
    """Return the number of values in all sources together."""
    return sum(prod(shape) for shape in sources)
