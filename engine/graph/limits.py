"""Sizes no layer may have, told before memory is asked for."""

from collections.abc import Iterable
from math import prod

from engine.errors import ShapeError
from engine.layers.base import TensorSpec
from engine.shapes import Shape

MOST_VALUES = 1 << 28
"""Values a layer may make of one row: 1 GiB in float32, more than the largest image has."""
MOST_NUMBERS = 1 << 31
"""Weights, biases and statistics a layer may have: 8 GiB in float32."""


def check_values(shape: Shape) -> None:
    """Check that a layer's output for one row fits in memory.

    Raises:
        ShapeError: it has more than ``MOST_VALUES`` values.
    """
    size = prod(shape)
    if size > MOST_VALUES:
        raise ShapeError(
            f"makes {shape} of a row, which are {size} values, expected at most {MOST_VALUES}",
            values=size,
            limit=MOST_VALUES,
        )


def check_numbers(tensors: Iterable[TensorSpec]) -> None:
    """Check that the tensors of a layer fit in memory.

    Raises:
        ShapeError: they have more than ``MOST_NUMBERS`` numbers.
    """
    size = sum(tensor.size for tensor in tensors)
    if size > MOST_NUMBERS:
        raise ShapeError(
            f"needs {size} weights and biases, expected at most {MOST_NUMBERS}",
            numbers=size,
            limit=MOST_NUMBERS,
        )
