"""Dropout which draws from a generator that is handed in."""

from typing import Literal

import torch
from torch import Tensor

from engine.modules.chance import Chance

DropoutType = Literal["STANDARD", "INVERTED"]


class Dropout(Chance):
    """Set every value to zero with a probability, drawn anew for every row.

    STANDARD: training leaves the others alone, scoring multiplies all by (1 - rate). INVERTED:
    training divides the others by (1 - rate), scoring changes nothing.

    Shapes: any → the same.

    Source: the deepLearn reference, dropout.
    """

    def __init__(self, rate: float, kind: DropoutType) -> None:
        super().__init__()
        self.rate = rate
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        keep = 1.0 - self.rate
        if not self.training:
            return x * keep if self.kind == "STANDARD" else x
        mask = torch.empty_like(x).bernoulli_(keep, generator=self.generator)
        if self.kind == "INVERTED":
            mask.div_(keep)
        return x * mask


def dropout(rate: float, kind: DropoutType) -> Dropout | None:
    """Return the dropout of a rate; None when there is none, so that it costs nothing."""
    return Dropout(rate, kind) if rate else None
