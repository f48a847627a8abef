"""Convolutions of 3 x 3 filters with 9 multiplications for 4 pixels and a map in place of 36.

Tiles d of 6 x 6 pixels become V = Bᵀ d B, filters g become U = G g Gᵀ, and Aᵀ (U ⊙ V) A is 4 x 4
pixels of the output, the products summed over maps: 36 products of matrices. The other two steps
are one product each, with the Kronecker squares of Bᵀ and Aᵀ, in which any numbers cost the same.
All three are linear, so gradients go the same way back, through the transposed matrices.

Shape letters: N rows, C maps, H W height and width, T U tiles down and across, P pixels that a
tile looks at, Q pixels that it gives, K filters.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, F(4 x 4, 3 x 3).
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from engine.modules.transforms import Transforms, transforms

TILE = 4
"""Pixels of the output, down and across, that one tile gives."""
REACH = 6
"""Pixels of the input, down and across, that a tile looks at."""
SIDE = 3
"""Cells of a filter, down and across."""

PASS_VALUES = 600_000
"""Values of tiles that are computed at a time: they stay in the cache; measured."""
WEIGHT_SHARE = 4
"""Filters are read anew for every pass, so one has at least a fourth as many values as they."""

MANY_TILES = 64
"""Least tiles of a mini-batch with which turning filters and their gradients pays; measured."""

Margins = tuple[int, int, int, int]
"""Zeros around an image: left, right, top and bottom."""


def squares(dtype: torch.dtype) -> Transforms:
    """Return the transforms of tiles in a type of numbers; S is 9."""
    return transforms(TILE, SIDE, dtype, of_tiles=True)


def turned_filters(weight: Tensor) -> Tensor:
    """Return filters (K, C, 3, 3) in the form of the products, (P, C, K)."""
    g_9CK = weight.permute(2, 3, 1, 0).flatten(0, 1)
    u_P = squares(weight.dtype).of_filters @ g_9CK.flatten(1)
    return u_P.view(-1, *g_9CK.shape[1:])


@dataclass(frozen=True)
class Tiling:
    """How images are cut into tiles.

    Attributes:
        margins: zeros around an image.
        rows: height of the output.
        columns: width of the output.
        at_a_time: images that go through all steps together.
    """

    margins: Margins
    rows: int
    columns: int
    at_a_time: int

    @property
    def down(self) -> int:
        """Tiles one below the other."""
        return tiles_over(self.rows)

    @property
    def across(self) -> int:
        """Tiles one beside the other."""
        return tiles_over(self.columns)

    @property
    def beyond(self) -> tuple[int, int]:
        """Rows and columns of the output that the last tiles give beyond it."""
        return self.down * TILE - self.rows, self.across * TILE - self.columns

    def tiles(self, x_NHWC: Tensor) -> Tensor:
        """Return V (P, N T U, C) of images; tiles that reach over the edge see zeros there."""
        left, right, top, bottom = self.margins
        below, beside = self.beyond
        around = [0, 0, left, right + beside, top, bottom + below]
        d_NTUCPP = seen_by_tiles(functional.pad(x_NHWC, around))
        d_PNTUC = d_NTUCPP.permute(4, 5, 0, 1, 2, 3).flatten(0, 1)
        v_P = squares(x_NHWC.dtype).into_products @ d_PNTUC.flatten(1)
        return v_P.view(len(v_P), -1, x_NHWC.shape[3])

    def pixels(self, m_PNK: Tensor) -> Tensor:
        """Return what products (P, N T U, K) give, (N, T, 4, U, 4, K)."""
        y_Q = squares(m_PNK.dtype).into_outputs @ m_PNK.flatten(1)
        y_QQNTUK = y_Q.view(TILE, TILE, -1, self.down, self.across, m_PNK.shape[2])
        return y_QQNTUK.permute(2, 3, 0, 4, 1, 5)

    def tiles_of_pixels(self, y_NHWK: Tensor) -> Tensor:
        """Return the gradients (P, N T U, K) of the products, of those of the output."""
        below, beside = self.beyond
        if below or beside:
            y_NHWK = functional.pad(y_NHWK, [0, 0, 0, beside, 0, below])
        rows, *_, filters = y_NHWK.shape
        y_NTQUQK = y_NHWK.reshape(rows, self.down, TILE, self.across, TILE, filters)
        y_QQNTUK = y_NTQUQK.permute(2, 4, 0, 1, 3, 5)
        m_P = squares(y_NHWK.dtype).into_outputs.T @ y_QQNTUK.reshape(TILE * TILE, -1)
        return m_P.view(len(m_P), -1, filters)

    def images(self, v_PNC: Tensor, x_NHWC: Tensor) -> None:
        """Write the gradients of images, of those of V: tiles add up where they overlap."""
        rows, height, width, maps = x_NHWC.shape
        d_P = squares(v_PNC.dtype).into_products.T @ v_PNC.flatten(1)
        d_PPNTUC = d_P.view(REACH, REACH, rows, self.down, self.across, maps)
        d_NTUCPP = d_PPNTUC.permute(2, 3, 4, 5, 0, 1)
        more = REACH - TILE
        whole = d_P.new_zeros(rows, self.down * TILE + more, self.across * TILE + more, maps)
        seen = seen_by_tiles(whole)
        own, others = slice(TILE), slice(TILE, REACH)
        for down, across in product((own, others), repeat=2):
            seen[..., down, across] += d_NTUCPP[..., down, across]
        left, _, top, _ = self.margins
        x_NHWC.copy_(whole[:, top : top + height, left : left + width])


def seen_by_tiles(x_NHWC: Tensor) -> Tensor:
    """Return the same numbers as tiles see them, (N, T, U, C, 6, 6)."""
    return x_NHWC.unfold(1, REACH, TILE).unfold(2, REACH, TILE)


def output_size(x: Tensor, margins: Margins) -> tuple[int, int]:
    """Return the height and the width of the convolution of images (N, C, H, W)."""
    left, right, top, bottom = margins
    return x.shape[2] + top + bottom - SIDE + 1, x.shape[3] + left + right - SIDE + 1


def tiles_over(pixels: int) -> int:
    """Return how many tiles give so many pixels of a side."""
    return -(-pixels // TILE)


def has_many_tiles(x: Tensor, margins: Margins) -> bool:
    """Return whether images (N, C, H, W) have the tiles with which training in tiles gains."""
    rows, columns = output_size(x, margins)
    return len(x) * tiles_over(rows) * tiles_over(columns) >= MANY_TILES


def tiling(x: Tensor, u_PCK: Tensor, margins: Margins) -> Tiling:
    """Return how images (N, C, H, W) are cut for filters."""
    rows, columns = output_size(x, margins)
    values = max(PASS_VALUES, u_PCK.numel() // WEIGHT_SHARE)
    of_image = REACH * REACH * tiles_over(rows) * tiles_over(columns) * max(u_PCK.shape[1:])
    return Tiling(margins, rows, columns, max(1, values // of_image))


def convolved(x: Tensor, u_PCK: Tensor, bias: Tensor | None, cut: Tiling) -> Tensor:
    """Return the convolution (N, K, H', W') of images (N, C, H, W) with turned filters."""
    size = (len(x), u_PCK.shape[2], cut.down * TILE, cut.across * TILE)
    order = torch.channels_last
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=order)
    y_NTQUQK = y.permute(0, 2, 3, 1).view(len(x), cut.down, TILE, cut.across, TILE, -1)
    x_NHWC = x.permute(0, 2, 3, 1)
    parts = (torch.split(each, cut.at_a_time) for each in (x_NHWC, y_NTQUQK))
    for part, result in zip(*parts, strict=True):
        result.copy_(cut.pixels(torch.bmm(cut.tiles(part), u_PCK)))
        if bias is not None:
            result.add_(bias)
    return y[:, :, : cut.rows, : cut.columns] if any(cut.beyond) else y


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
        y = convolved(x, u_PCK, bias, cut)
        # activations overwrite it, which torch forbids where it is a part of something else
        return y.clone() if any(cut.beyond) else y

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
                cut.images(torch.bmm(of_m_PNK, u_PCK.transpose(1, 2)), result)
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
