"""Loss and fit error of rows whose target may be missing or a level that training did not see."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.data.encode import ABSENT, UNSEEN
from engine.layers.base import Task


@dataclass(frozen=True)
class Grade:
    """How well rows were predicted.

    A level that training did not see counts as wrong and has no loss; a row without a target has
    neither.

    Attributes:
        loss: (N,), zero where there is none.
        error: (N,), zero where there is none.
        has_loss: (N,) bool.
        has_error: (N,) bool.
    """

    loss: Tensor
    error: Tensor
    has_loss: Tensor
    has_error: Tensor


def grade(task: Task, raw: Tensor, target: Tensor) -> Grade:
    """Return the grades of a batch.

    Args:
        task: the rules of the task layer.
        raw: its raw output (N, K).
        target: codes (N,), below zero where unknown, or values (N, V), NaN where missing.
    """
    if task.target.kind == "nominal":
        has_loss, has_error = target >= 0, target != ABSENT
        known = target.clamp(min=0)
        error = task.fit_error(raw, known)
        error = torch.where(target == UNSEEN, torch.ones_like(error), error)
    else:
        has_loss = has_error = ~target.isnan().any(dim=1)
        known = target.nan_to_num()
        error = task.fit_error(raw, known)
    zero = torch.zeros((), dtype=error.dtype, device=error.device)
    loss = torch.where(has_loss, task.loss(raw, known), zero)
    return Grade(loss, torch.where(has_error, error, zero), has_loss, has_error)
