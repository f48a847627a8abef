"""How the true lengths of sequences travel beside them.

A batch of sequences is padded to a common number of steps. Beside the values of an input layer the
number of true steps of every row goes under a name no layer can have.
"""

import torch
from torch import Tensor

LENGTHS_SUFFIX = "\tlengths"
"""Names of layers hold no control characters."""


def lengths_of(layer: str) -> str:
    """Return the name under which the true lengths of an input layer's rows travel, int64 (N,)."""
    return f"{layer}{LENGTHS_SUFFIX}"


def full_lengths(rows: Tensor, steps: int) -> Tensor:
    """Return the lengths of rows (N, ...) of so many steps, none of them padding."""
    return torch.full((len(rows),), steps, dtype=torch.int64, device=rows.device)


def is_true_step(lengths: Tensor, steps: int) -> Tensor:
    """Return which steps are no padding, bool (N, T)."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def cleared(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Return sequences (N, T, D) with zeros for padding, whatever it was."""
    here = is_true_step(lengths, sequences.shape[1])
    return sequences.masked_fill(~here[..., None], 0.0)
