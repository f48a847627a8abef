"""Weights of observations and of classes, as one number a row.

They travel with the targets of a mini-batch, under ``WEIGHT``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.data.columns import Columns, Float64, Mask, numbers, pick, row_count, text_of
from engine.data.schema import SchemaRequest
from engine.data.variables import NominalTarget, TargetSpec
from engine.errors import DataError

WEIGHT = "*weight"
"""Key of the weights beside the targets; no layer can be named like this."""
FACTOR = "*factor"
"""Key of what ``factors`` gave for a whole mini-batch, beside the targets of a share of it."""


def row_weights(
    request: SchemaRequest,
    targets: Sequence[TargetSpec],
    codes: Mapping[str, npt.NDArray[np.generic]],
    columns: Columns,
    first_row: int,
    used: Mask,
) -> Float64 | None:
    """Return the weight of every row, the product of both kinds; None: all weigh the same.

    Args:
        request: names the variable, and the weights of classes.
        targets: of the task layers.
        codes: encoded targets by task layer.
        columns: of the batch.
        first_row: 0-based row of the table where the batch begins, for messages.
        used: which rows count.

    Raises:
        DataError: a weight is missing or negative, or class weights do not fit the target.
    """
    if request.weight is None and not request.class_weights:
        return None
    weights = np.ones(row_count(columns))
    if request.weight is not None:
        weights = numbers(pick(columns, request.weight), request.weight, first_row)
        bad = np.flatnonzero(used & ~((weights >= 0) & np.isfinite(weights)))
        if len(bad):
            raise DataError(
                f"weight variable {request.weight!r} got {float(weights[bad[0]])!r} in row "
                f"{first_row + int(bad[0])}, expected a number of 0 or more",
                variable=request.weight,
                row=first_row + int(bad[0]),
            )
    if request.class_weights:
        target = _nominal(targets)
        by_code = level_weights(request, target)
        weights = weights * np.where(used, by_code[codes[target.layer].astype(np.int64)], 1.0)
    return weights


def level_weights(request: SchemaRequest, target: NominalTarget) -> Float64:
    """Return the weight of every level, in the order of the schema.

    Raises:
        DataError: a weight is given for a level the target does not have.
    """
    found = np.ones(len(target.levels))
    for each in request.class_weights:
        level = text_of(each.level)
        if level not in target.levels:
            raise DataError(
                f"classWeights got level {level!r} of target {target.name!r}, expected one of "
                f"{', '.join(target.levels)}",
                level=level,
                expected=list(target.levels),
            )
        found[target.levels.index(level)] = each.weight
    return found


def factors(weights: Tensor) -> Tensor:
    """Return weights scaled to a mean of 1, so that the mean loss is the weighted mean; (N,)."""
    total = weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
    return weights * (len(weights) / total)


def _nominal(targets: Sequence[TargetSpec]) -> NominalTarget:
    if len(targets) != 1 or not isinstance(targets[0], NominalTarget):
        raise DataError("classWeights got no nominal target, expected exactly one")
    return targets[0]
