"""How images are cut into tiles for convolutions of 3 x 3 filters in Winograd's form.

Tiles d of 6 x 6 pixels become V = Bᵀ d B, filters g become U = G g Gᵀ, and Aᵀ (U ⊙ V) A is 4 x 4
pixels of the output, the products summed over maps. All three are linear, so gradients go the same
way back, through the transposed matrices. Here B and A are applied as their Kronecker squares, a
product of matrices in which any numbers cost the same.

Shape letters: N rows, C maps, H W height and width, T U tiles down and across, P pixels that a
tile looks at, Q pixels that it gives, K filters.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, F(4 x 4, 3 x 3).
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from engine.modules.transforms import Transforms, transforms

TILE = 4
"""Pixels of the output, down and across, that one tile gives."""
REACH = 6
"""Pixels of the input, down and across, that a tile looks at."""
SIDE = 3
"""Cells of a filter, down and across."""

Margins = tuple[int, int, int, int]
"""Zeros around an image: left, right, top and bottom."""


def squares(dtype: torch.dtype) -> Transforms:
    """Return the transforms of tiles in a type of numbers; S is 9."""
    return transforms(TILE, SIDE, dtype, of_tiles=True)


def tiles_over(pixels: int) -> int:
    """Return how many tiles give so many pixels of a side."""
    return -(-pixels // TILE)


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

    def products(self, v_PNC: Tensor, u_PCK: Tensor) -> Tensor:
        """Return M (P, N T U, K)."""
        return torch.bmm(v_PNC, u_PCK)

    def pixels(self, m_PNK: Tensor, bias: Tensor | None, y_NHWK: Tensor) -> None:
        """Write what products (P, N T U, K) and a bias give into images of the output."""
        y_Q = squares(m_PNK.dtype).into_outputs @ m_PNK.flatten(1)
        y_QQNTUK = y_Q.view(TILE, TILE, -1, self.down, self.across, m_PNK.shape[2])
        y_NTQUQK = y_QQNTUK.permute(2, 3, 0, 4, 1, 5)
        if any(self.beyond):
            whole = y_NTQUQK.flatten(3, 4).flatten(1, 2)
            y_NHWK.copy_(whole[:, : self.rows, : self.columns])
        else:
            y_NHWK.view(y_NTQUQK.shape).copy_(y_NTQUQK)
        if bias is not None:
            y_NHWK.add_(bias)

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
