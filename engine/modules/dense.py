"""A matrix product over everything the sources give."""

from math import nan

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.channels import channels_last
from engine.modules.dropout import Dropout
from engine.modules.finish import Activation, Finish
from engine.sequences import is_true_step

CERTAIN = 1e4
"""How much likelier a certain blank is than a label: exp(-1e4) is zero in float32."""

MAPS_AXES = 4
"""Axes of maps: rows of the data, channels, rows and columns of a map."""


def flat(sources: tuple[Tensor, ...]) -> Tensor:
    """Return all values of each row side by side, maps in order channel, row, column.

    Gradients of maps come back in the order in which these lie: a maximum that gets its gradient in
    another one copies all that it looked at.
    """
    for source in sources:
        if source.requires_grad and _lies_channels_last(source):
            source.register_hook(channels_last)  # type: ignore[no-untyped-call]
    rows = [source.flatten(1) for source in sources]
    return rows[0] if len(rows) == 1 else torch.cat(rows, 1)


def _lies_channels_last(x: Tensor) -> bool:
    is_maps = x.dim() == MAPS_AXES and not x.is_contiguous()
    return is_maps and x.is_contiguous(memory_format=torch.channels_last)


def steps_of(sources: tuple[Tensor, ...]) -> Tensor:
    """Return sequences (N, T, D), maps (N, 1, T, D) or (N, D, 1, 1), side by side in every step."""
    steps = [_steps(source) for source in sources]
    return steps[0] if len(steps) == 1 else torch.cat(steps, -1)


def _steps(source: Tensor) -> Tensor:
    maps = source.shape[1] if source.dim() == MAPS_AXES else 1
    return source.flatten(0, -3) if maps == 1 else source.flatten(2).transpose(1, 2)


class Dense(Finish):
    """Multiply by a matrix, add a bias, activate.

    Shapes: any number of (N, ...) → (N, n); ``weight`` (inputs, n), ``bias`` (n,).
    """

    bias: Tensor | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation | None,
        dropout: Dropout | None,
        *,
        bias: bool,
    ) -> None:
        super().__init__(activation, dropout)
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.register_parameter("bias", nn.Parameter(torch.empty(outputs)) if bias else None)

    def forward(self, *sources: Tensor) -> Tensor:
        x = flat(sources)
        y = x @ self.weight if self.bias is None else torch.addmm(self.bias, x, self.weight)
        return self.finish(y)


class Flatten(nn.Module):
    """Lay everything the sources give side by side.

    Shapes: any number of (N, ...) → (N, D).
    """

    def forward(self, *sources: Tensor) -> Tensor:
        return flat(sources)


class StepDense(Finish):
    """Multiply every step by one matrix, add a bias, activate; sources lie side by side in a step.

    With a blank, of CTC, padding adds nothing to the loss, and no label; without, padding is NaN
    when scoring, if lengths are given.

    Shapes: any number of (N, T, D) or (N, 1, T, D) → (N, T, n); ``weight`` (inputs, n), ``bias``
    (n,).
    """

    bias: Tensor | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation | None,
        dropout: Dropout | None,
        *,
        bias: bool,
        blank: int | None = None,
    ) -> None:
        super().__init__(activation, dropout)
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.register_parameter("bias", nn.Parameter(torch.empty(outputs)) if bias else None)
        self.blank = blank

    def forward(self, *sources: Tensor, lengths: Tensor | None = None) -> Tensor:
        y = self.finish(functional.linear(steps_of(sources), self.weight.t(), self.bias))
        return _ended(self, y, lengths, self.blank)


class Steps(nn.Module):
    """Lay sequences side by side in every step.

    Shapes: any number of (N, T, D) or (N, 1, T, D) → (N, T, n).
    """

    def __init__(self, blank: int | None) -> None:
        super().__init__()
        self.blank = blank

    def forward(self, *sources: Tensor, lengths: Tensor | None = None) -> Tensor:
        y = steps_of(sources)
        return _ended(self, y, lengths, self.blank)


def _ended(module: nn.Module, y_NTK: Tensor, lengths: Tensor | None, blank: int | None) -> Tensor:
    """Return raw outputs with a certain blank where a row is padded, or NaN when scoring."""
    if lengths is None or (blank is None and module.training):
        return y_NTK
    padded_NT1 = ~is_true_step(lengths, y_NTK.shape[1])[..., None]
    if blank is None:
        return y_NTK.masked_fill(padded_NT1, nan)
    certain = torch.zeros_like(y_NTK[0, 0])
    certain[blank] = CERTAIN
    return torch.where(padded_NT1, certain, y_NTK)
