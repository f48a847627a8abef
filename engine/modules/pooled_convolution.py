"""Convolutions of few maps that write the maxima of a pooling, for scoring alone."""

from functools import cache

import torch
from torch import Tensor

from engine.loops.arguments import WINDOW
from engine.loops.library import library
from engine.loops.pooled import HANDED, PooledLoops
from engine.modules.convolution import Convolution2d
from engine.modules.finish import Finish


@cache
def pooled_loops() -> PooledLoops | None:
    """Return the loops; None: there are none on this processor."""
    found = library("pooled", *HANDED)
    return None if found is None else PooledLoops(found)


class PooledConvolution2d(Finish):
    """A convolution, the largest of its 2 x 2 neighbours, and then its activation and dropout.

    An activation that never falls may as well come after the maximum, and has a quarter to do; the
    outputs of the convolution are nowhere in memory.

    Shapes: (N, C, H, W) → (N, K, P, Q), P and Q half the height and the width of the convolution,
    rounded down; ``weight`` packed, ``bias`` (K,).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, plain: Convolution2d) -> None:
        super().__init__(plain.activation, plain.dropout)
        self.margins = plain.padding.margins
        self.filters = len(plain.weight)
        self.register_buffer("weight", _loops().packed(plain.weight.detach()))
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        _, down, across, *_ = self.weight.shape
        left, right, top, bottom = self.margins
        height = x.shape[2] + top + bottom - down + 1
        width = x.shape[3] + left + right - across + 1
        size = (len(x), self.filters, height // WINDOW, width // WINDOW)
        y = torch.empty(size, memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
        _loops().convolve(x, self.weight, self.bias, self.margins, y)
        return self.finish(y)


def _loops() -> PooledLoops:
    found = pooled_loops()
    assert found is not None  # noqa: S101 - whoever makes a module has asked
    return found
