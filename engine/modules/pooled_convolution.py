"""Convolutions of few maps that take the maxima of the pooling after them, by loops in C.

Shape letters: N rows, C maps, H W height and width, K filters, R S cells of a filter, P Q height
and width out: half those of the convolution, rounded down.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.loops.arguments import WINDOW, Margins, output_size
from engine.loops.library import library
from engine.loops.pooled import HANDED, PooledLoops
from engine.modules.channels import channels_last
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
    outputs of the convolution are nowhere in memory. It gives no gradients of images.

    Shapes: (N, C, H, W) → (N, K, P, Q); ``weight`` (K, C, R, S), ``bias`` (K,).
    """

    bias: Tensor | None

    def __init__(self, plain: Convolution2d) -> None:
        """Take over the tensors of a convolution, and what follows it."""
        super().__init__(plain.activation, plain.dropout)
        self.margins = plain.padding.margins
        self.weight = plain.weight
        self.bias = plain.bias

    def forward(self, x: Tensor) -> Tensor:
        given = (channels_last(x), self.weight, self.bias, self.margins)
        if not torch.is_grad_enabled():
            return self.finish(_maxima(*given))
        y: Tensor = _Maxima.apply(*given)  # type: ignore[no-untyped-call]
        return self.finish(y)


class _Maxima(torch.autograd.Function):
    """The maxima of a convolution, with the gradients of filters and bias."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, margins: Margins
    ) -> Tensor:
        """Return the maxima."""
        places = _empty(x, weight, margins, torch.int32)
        ctx.save_for_backward(x, weight, places)
        ctx.margins = margins
        return _maxima(x, weight, bias, margins, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of filters and bias."""
        (y,) = map(channels_last, gradients)
        x, weight, places = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        assert not needs_x  # noqa: S101 - it is the first of a network
        found = None
        if needs_weight:
            found = torch.empty_like(weight)
            _loops().gradients(x, y, places, ctx.margins, found)
        return None, found, y.sum((0, 2, 3)) if needs_bias else None, None


def _maxima(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margins: Margins,
    places: Tensor | None = None,
) -> Tensor:
    y = _empty(x, weight, margins, torch.float32)
    _loops().convolve(x, weight.detach(), bias, margins, y, places)
    return y


def _empty(x: Tensor, weight: Tensor, margins: Margins, dtype: torch.dtype) -> Tensor:
    """Return memory for as many numbers as there are maxima."""
    filters, _, down, across = weight.shape
    height, width = output_size(x, (down, across), margins)
    size = (len(x), filters, height // WINDOW, width // WINDOW)
    return torch.empty(size, dtype=dtype, memory_format=torch.channels_last)


def _loops() -> PooledLoops:
    found = pooled_loops()
    assert found is not None  # noqa: S101 - whoever makes a module has asked
    return found
