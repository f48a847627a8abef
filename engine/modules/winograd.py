"""Convolutions of 3 x 3 and 5 x 5 filters with fewer multiplications, by loops in C.

Winograd's form F(4 x 4, S x S): tiles d of S + 3 pixels down and across become V = Bᵀ d B, filters
g become U = G g Gᵀ, and Aᵀ (U ⊙ V) A is 4 x 4 pixels of the output, the products summed over maps:
36 multiplications a map for 3 x 3 filters in place of 144, and 64 for 5 x 5 in place of 400. The
gradients of images are a convolution of those of the output, dY, with filters turned by half a
circle; those of filters are Gᵀ (Σ V ⊙ A dY Aᵀ) G, summed over tiles.

Shape letters: N rows, C maps, H W height and width, K filters, S cells of a filter down and across,
P products of a tile.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.loops.arguments import Margins, output_size
from engine.loops.convolution import HANDED, TILE, Loops
from engine.loops.library import library
from engine.modules.channels import channels_last
from engine.modules.transforms import matrices

SIDES = (3, 5)
"""S that there are loops for."""

MANY_TILES = 32
"""Least tiles of a mini-batch with which turning filters and their gradients pays; measured."""


@cache
def loops(side: int) -> Loops | None:
    """Return the loops for filters of a side; None: there are none on this processor."""
    found = library(f"convolution{side}", *HANDED) if side in SIDES else None
    if found is None:
        return None
    into, of_filters, into_outputs = matrices(TILE, side)
    return Loops(found, *(each.float().contiguous() for each in (into, of_filters, into_outputs.T)))


def has_many_tiles(x: Tensor, side: int, margins: Margins) -> bool:
    """Return whether training by loops gains with images (N, C, H, W), if these can take them."""
    is_plain = x.dtype is torch.float32 and x.device.type == "cpu"
    rows, columns = output_size(x, (side, side), margins)
    return is_plain and len(x) * -(-rows // TILE) * -(-columns // TILE) >= MANY_TILES


def turned(weight: Tensor) -> Tensor:
    """Return filters (K, C, S, S) in the form of the products, packed for the loops."""
    return _loops(weight.shape[2]).turned(weight.detach())


def convolved(
    x: Tensor,
    packed: Tensor,
    shape: torch.Size,
    bias: Tensor | None,
    margins: Margins,
    *,
    window: int = 1,
) -> Tensor:
    """Return the convolution (N, K, H', W') of images (N, C, H, W), channels last, or its maxima.

    Args:
        x: float32, on a processor.
        packed: filters; see ``turned``.
        shape: of the filters, (K, C, S, S).
        bias: (K,), or None.
        margins: zeros around an image.
        window: neighbours down and across of which the largest is taken; 1 or ``WINDOW``.
    """
    filters, _, side, _ = shape
    rows, columns = output_size(x, (side, side), margins)
    size = (len(x), filters, rows // window, columns // window)
    y = torch.empty(size, memory_format=torch.channels_last)
    _loops(side).convolve(channels_last(x), packed, bias, margins, y, window=window)
    return y


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, margins: Margins) -> Tensor:
    """Return the convolution (N, K, H', W') of images (N, C, H, W) with filters that are trained.

    Args:
        x: float32, on a processor.
        weight: filters (K, C, S, S) for which there are loops.
        bias: (K,), or None.
        margins: zeros around an image.
    """
    y: Tensor = _Convolution.apply(x, weight, bias, margins)  # type: ignore[no-untyped-call]
    return y


class _Convolution(torch.autograd.Function):
    """A convolution with its gradients."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, margins: Margins
    ) -> Tensor:
        """Return the convolution."""
        ctx.save_for_backward(x, weight)
        ctx.margins = margins
        return convolved(x, turned(weight), weight.shape, bias, margins)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of images, filters and bias."""
        (y,) = map(channels_last, gradients)
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        return (
            _of_images(y, weight, ctx.margins) if needs_x else None,
            _of_filters(x, y, weight, ctx.margins) if needs_weight else None,
            y.sum((0, 2, 3)) if needs_bias else None,
            None,
        )


def _of_images(y: Tensor, weight: Tensor, margins: Margins) -> Tensor:
    """Return the gradients of images: a convolution with filters turned by half a circle."""
    filters, maps, side, _ = weight.shape
    left, right, top, bottom = (side - 1 - margin for margin in margins)
    packed = _loops(side).turned(weight, back=True)
    shape = torch.Size([maps, filters, side, side])
    return convolved(y, packed, shape, None, (left, right, top, bottom))


def _of_filters(x: Tensor, y: Tensor, weight: Tensor, margins: Margins) -> Tensor:
    """Return the gradients of filters, laid as these."""
    found = torch.empty_like(weight)
    _loops(weight.shape[2]).gradients(channels_last(x), y, margins, found)
    return found


def _loops(side: int) -> Loops:
    found = loops(side)
    assert found is not None  # noqa: S101 - whoever calls has asked
    return found
