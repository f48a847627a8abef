"""Convolutions of 3 x 3 filters with 9 multiplications for 4 pixels and a map in place of 36.

Images are cut into tiles (``engine.modules.tiling``), which 36 products of matrices turn into
pixels of the output; gradients go the same way back.

Shape letters: N rows, C maps, H W height and width, T U tiles down and across, P pixels that a
tile looks at, Q pixels that it gives, K filters.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.modules.looped_tiling import LoopedTiling, can_loop
from engine.modules.tiling import REACH, SIDE, Margins, Tiling, squares, tiles_over

PASS_VALUES = 600_000
"""Values of tiles that are computed at a time: they stay in the cache; measured."""
WEIGHT_SHARE = 4
"""Filters are read anew for every pass, so one has at least a fourth as many values as they."""

MANY_TILES = 128
"""Least tiles of a mini-batch with which turning filters and their gradients pays; measured."""
MANY_PIXELS = 1 << 14
"""Least tiles times maps with which threads wait little for each other; measured."""


def turned_filters(weight: Tensor) -> Tensor:
    """Return filters (K, C, 3, 3) in the form of the products, (P, C, K)."""
    g_9CK = weight.permute(2, 3, 1, 0).flatten(0, 1)
    u_P = squares(weight.dtype).of_filters @ g_9CK.flatten(1)
    return u_P.view(-1, *g_9CK.shape[1:])


def output_size(x: Tensor, margins: Margins) -> tuple[int, int]:
    """Return the height and the width of the convolution of images (N, C, H, W)."""
    left, right, top, bottom = margins
    return x.shape[2] + top + bottom - SIDE + 1, x.shape[3] + left + right - SIDE + 1


def has_many_tiles(x: Tensor, margins: Margins) -> bool:
    """Return whether images (N, C, H, W) have the tiles with which training in tiles gains."""
    rows, columns = output_size(x, margins)
    tiles = len(x) * tiles_over(rows) * tiles_over(columns)
    return tiles >= MANY_TILES and tiles * x.shape[1] >= MANY_PIXELS


def tiling(x: Tensor, u_PCK: Tensor, margins: Margins) -> Tiling:
    """Return how images (N, C, H, W) are cut for filters."""
    rows, columns = output_size(x, margins)
    values = max(PASS_VALUES, u_PCK.numel() // WEIGHT_SHARE)
    of_image = REACH * REACH * tiles_over(rows) * tiles_over(columns) * max(u_PCK.shape[1:])
    kind = LoopedTiling if can_loop(x, u_PCK) else Tiling
    return kind(margins, rows, columns, max(1, values // of_image))


def convolved(x: Tensor, u_PCK: Tensor, bias: Tensor | None, cut: Tiling) -> Tensor:
    """Return the convolution (N, K, H', W') of images (N, C, H, W) with turned filters."""
    size = (len(x), u_PCK.shape[2], cut.rows, cut.columns)
    order = torch.channels_last
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=order)
    parts = (torch.split(each.permute(0, 2, 3, 1), cut.at_a_time) for each in (x, y))
    for x_NHWC, y_NHWK in zip(*parts, strict=True):
        cut.pixels(cut.products(cut.tiles(x_NHWC), u_PCK), bias, y_NHWK)
    return y


def convolve_in_tiles(x: Tensor, weight: Tensor, bias: Tensor | None, margins: Margins) -> Tensor:
    """Return the convolution (N, K, H', W') of images (N, C, H, W) with filters that are trained.

    Args:
        x: the images.
        weight: filters (K, C, 3, 3).
        bias: (K,), or None.
        margins: zeros around an image.
    """
    y: Tensor = _TiledConvolution.apply(x, weight, bias, margins)  # type: ignore[no-untyped-call]
    return y


class _TiledConvolution(torch.autograd.Function):
    """A convolution with its gradients."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, margins: Margins
    ) -> Tensor:
        """Return the convolution."""
        ctx.save_for_backward(x, weight)
        ctx.margins = margins
        u_PCK = turned_filters(weight)
        cut = tiling(x, u_PCK, margins)
        return convolved(x, u_PCK, bias, cut)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of images, filters and bias; tiles are cut once for both."""
        (y,) = gradients
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        u_PCK = turned_filters(weight)
        cut = tiling(x, u_PCK, ctx.margins)
        of_u_PCK: Tensor | None = None
        x_NHWC, y_NHWK = x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1)
        of_x_NHWC = torch.empty_like(x_NHWC)
        parts = (torch.split(each, cut.at_a_time) for each in (x_NHWC, y_NHWK, of_x_NHWC))
        for part, of_part, result in zip(*parts, strict=True):
            of_m_PNK = cut.tiles_of_pixels(of_part)
            if needs_weight:
                v_PCN = cut.tiles(part).transpose(1, 2)
                if of_u_PCK is None:
                    of_u_PCK = torch.bmm(v_PCN, of_m_PNK)
                else:
                    of_u_PCK.baddbmm_(v_PCN, of_m_PNK)
            if needs_x:
                cut.images(cut.products(of_m_PNK, u_PCK.transpose(1, 2)), result)
        return (
            of_x_NHWC.permute(0, 3, 1, 2) if needs_x else None,
            None if of_u_PCK is None else _of_filters(of_u_PCK, weight),
            y.sum((0, 2, 3)) if needs_bias else None,
            None,
        )


def _of_filters(of_u_PCK: Tensor, weight: Tensor) -> Tensor:
    """Return the gradients of filters, laid as these, of those of their turned form."""
    g_9 = squares(weight.dtype).of_filters.T @ of_u_PCK.flatten(1)
    g_33CK = g_9.view(SIDE, SIDE, *of_u_PCK.shape[1:])
    return torch.empty_like(weight).copy_(g_33CK.permute(3, 2, 0, 1))
