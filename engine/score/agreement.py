"""What a form of a network takes and gives, and how far two of them may be apart."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Values = Mapping[str, Tensor]
"""Values of the input layers by name, (N, ...)."""

Outputs = Mapping[str, Tensor]
"""Raw outputs by name, (N, ...)."""

Form = Callable[[Values], Outputs]

TOLERANCE = 1e-4
"""Largest difference of a raw output to the plain form's, in units of the larger of 1 and the
largest raw output of the rows compared."""


def rows_of(values: Values) -> int:
    """Return the rows of the values of input layers."""
    return len(next(iter(values.values())))


def difference(found: Outputs, plain: Outputs) -> float:
    """Return the largest difference of raw outputs, in units of the larger of 1 and the largest.

    Values that are undefined or infinite in both count as equal; in one alone, as infinitely far.
    """
    worst = 0.0
    for name, expected in plain.items():
        known = expected.isfinite()
        if not torch.equal(known, found[name].isfinite()):
            return float("inf")
        if known.any():
            scale = max(1.0, float(expected[known].abs().max()))
            apart = float((found[name][known] - expected[known]).abs().max())
            worst = max(worst, apart / scale)
    return worst
