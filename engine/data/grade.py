"""Loss and fit error of rows whose target may be missing or a level that training did not see."""

from dataclasses import dataclass

import torch
from torch import Tensor

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
        raw: its raw output (N, ...).
        target: what the schema's target encoded, with what is unknown in it.
    """
    known = task.known(target)
    error = task.fit_error(raw, known.target)
    zero = torch.zeros((), dtype=error.dtype, device=error.device)
    error = torch.where(known.has_loss, error, torch.ones_like(error))
    loss = torch.where(known.has_loss, task.scored_loss(raw, known.target), zero)
    return Grade(loss, torch.where(known.has_error, error, zero), known.has_loss, known.has_error)
