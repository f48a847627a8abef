"""Convolutions for scoring alone, with fewer multiplications.

Shape letters: N rows, C maps, H W height and width, T U tiles down and across, P pixels that a
tile looks at, Q pixels that it gives, K filters.
"""

import torch
from torch import Tensor
from torch.nn import functional

from engine.modules.convolution import Convolution2d
from engine.modules.finish import Finish

TILE = 4
"""Pixels of the output, down and across, that one tile gives."""
REACH = 6
"""Pixels of the input, down and across, that a tile looks at."""
SIDE = 3
"""Cells of a filter, down and across."""

POINTS = (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)
"""Where polynomials are evaluated, beside infinity: 0 and two pairs ±c, ±1/c.

Rounding errors are then about twice those of a direct convolution, and less than half of those with
the customary 0, ±1, ±2 (measured). The transforms are products of matrices, which take any numbers
at the same cost.

Source: Alam, Anderson, Barabasz and Gregg, "Winograd convolution for deep neural networks:
efficient point selection", 2022.
"""

PASS_VALUES = 600_000
"""Values of tiles that are computed at a time: they stay in the cache; measured."""
WEIGHT_SHARE = 4
"""Filters are read anew for every pass, so one has at least a fourth as many values as they."""


class WinogradConvolution2d(Finish):
    """A convolution of 3 x 3 filters with 9 multiplications for 4 pixels and a map in place of 36.

    Tiles d of 6 x 6 pixels become V = Bᵀ d B, filters g become U = G g Gᵀ, and Aᵀ (U ⊙ V) A is
    4 x 4 pixels of the output, the products summed over maps: 36 products of matrices. The other
    two steps are one product each, with the Kronecker squares of Bᵀ and Aᵀ.

    Shapes: (N, C, H, W) → (N, K, H', W'); ``weight`` (P, C, K), ``bias`` (K,).

    Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016,
    F(4 x 4, 3 x 3).
    """

    weight: Tensor
    bias: Tensor
    into_tiles: Tensor
    into_pixels: Tensor

    def __init__(self, plain: Convolution2d) -> None:
        super().__init__(plain.activation, plain.dropout)
        self.margins = margins(plain)
        weight = plain.weight.detach()
        bias = weight.new_zeros(len(weight)) if plain.bias is None else plain.bias.detach()
        of_tile, of_filter, of_pixels = (torch.kron(each, each).to(weight) for each in transforms())
        g_9CK = weight.permute(2, 3, 1, 0).flatten(0, 1)
        u_PCK = (of_filter @ g_9CK.flatten(1)).view(-1, *g_9CK.shape[1:])
        self.register_buffer("weight", u_PCK)
        self.register_buffer("bias", bias)
        self.register_buffer("into_tiles", of_tile)
        self.register_buffer("into_pixels", of_pixels)

    def forward(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self.margins
        rows, columns = (x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2)
        down, across = -(-rows // TILE), -(-columns // TILE)
        # tiles that reach over the edge see zeros there, and what they give beyond it is cut off
        more_down, more_across = down * TILE - rows, across * TILE - columns
        around = [0, 0, left, right + more_across, top, bottom + more_down]
        x_NHWC = functional.pad(x.permute(0, 2, 3, 1), around)
        y_NTQUQK = x.new_empty(len(x), down, TILE, across, TILE, len(self.bias))
        at_a_time = self._rows_at_a_time(down * across)
        parts = zip(torch.split(x_NHWC, at_a_time), torch.split(y_NTQUQK, at_a_time), strict=True)
        for part, result in parts:
            d_NTUCPP = part.unfold(1, REACH, TILE).unfold(2, REACH, TILE)
            d_PNTUC = d_NTUCPP.permute(4, 5, 0, 1, 2, 3).flatten(0, 1)
            v_P = self.into_tiles @ d_PNTUC.flatten(1)
            m_PNK = torch.bmm(v_P.view(REACH * REACH, -1, x.shape[1]), self.weight)
            y_Q = self.into_pixels @ m_PNK.flatten(1)
            y_QQNTUK = y_Q.view(TILE, TILE, len(part), down, across, -1)
            result.copy_(y_QQNTUK.permute(2, 3, 0, 4, 1, 5)).add_(self.bias)
        y_NHWK = y_NTQUQK.flatten(3, 4).flatten(1, 2)[:, :rows, :columns]
        return self.finish(y_NHWK.permute(0, 3, 1, 2))

    def _rows_at_a_time(self, tiles: int) -> int:
        """Return how many rows of so many tiles go through all steps together."""
        values = max(PASS_VALUES, self.weight.numel() // WEIGHT_SHARE)
        return max(1, values // (REACH * REACH * tiles * max(self.weight.shape[1:])))


def transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return Bᵀ (6, 6), G (6, 3) and Aᵀ (4, 6) of F(4, 3) in float64.

    A product of two polynomials is found from its values at ``POINTS`` and infinity; a correlation
    is the transposed of that.

    Source: Lavin and Gray, 2016, section 4.1; Winograd, "Arithmetic complexity of computations",
    1980.
    """
    inverse = torch.linalg.inv(_values(REACH))
    return inverse.T, _values(SIDE), _values(TILE).T


def _values(coefficients: int) -> Tensor:
    """Return what turns the coefficients of a polynomial into its values at the points."""
    points = torch.tensor(POINTS, dtype=torch.float64)
    finite = points[:, None] ** torch.arange(coefficients)
    infinite = torch.zeros(1, coefficients, dtype=torch.float64)
    infinite[0, -1] = 1.0
    return torch.cat([finite, infinite])


def margins(plain: Convolution2d) -> list[int]:
    """Return the zeros a convolution puts around an image: left, right, top and bottom."""
    if plain.padding.explicit is None:
        across, down = plain.padding.operator[1], plain.padding.operator[0]
        return [across, across, down, down]
    left, right, top, bottom = plain.padding.explicit
    down, across = plain.padding.operator
    return [left + across, right + across, top + down, bottom + down]
