"""Convolutions for scoring alone, with fewer multiplications.

Shape letters: N rows, C maps, H W height and width, T U tiles down and across, K filters.
"""

import torch
from torch import Tensor
from torch.nn import functional

from engine.modules.convolution import Convolution2d
from engine.modules.finish import Finish

TILE = 2
"""Pixels of the output, down and across, that one tile of Winograd's gives."""
REACH = 4
"""Pixels of the input, down and across, that a tile looks at."""

FILTER_TRANSFORM = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
"""G of F(2 x 2, 3 x 3)."""


class WinogradConvolution2d(Finish):
    """A convolution of 3 x 3 filters with 4 multiplications for a pixel and map in place of 9.

    Tiles d of 4 x 4 pixels become V = Bᵀ d B, filters g become U = G g Gᵀ, and Aᵀ (U ⊙ V) A is
    2 x 2 pixels of the output, the products summed over maps: 16 products of matrices. It pays
    where there are many maps, and where a compiler joins what is around the products.

    Shapes: (N, C, H, W) → (N, K, H', W'); ``weight`` (16, C, K), ``bias`` (K,).

    Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016,
    F(2 x 2, 3 x 3).
    """

    bias: Tensor | None
    weight: Tensor

    def __init__(self, plain: Convolution2d) -> None:
        super().__init__(plain.activation, plain.dropout)
        self.margins = margins(plain)
        transform = torch.tensor(FILTER_TRANSFORM, dtype=torch.float64)
        filters = plain.weight.detach().double()
        turned = torch.einsum("ai,kcij,bj->abck", transform, filters, transform)
        self.register_buffer("weight", turned.flatten(0, 1).float().contiguous())
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self.margins
        rows, columns = (x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2)
        down, across = -(-rows // TILE), -(-columns // TILE)
        # tiles that reach over the edge see zeros there, and what they give beyond it is cut off
        more_down, more_across = down * TILE - rows, across * TILE - columns
        around = [left, right + more_across, top, bottom + more_down]
        x_NHWC = functional.pad(x, around).permute(0, 2, 3, 1)
        cells = [
            [
                x_NHWC[:, i : i + TILE * down : TILE, j : j + TILE * across : TILE]
                for j in range(REACH)
            ]
            for i in range(REACH)
        ]
        turned = [
            _differences(line)
            for line in _transposed([_differences(c) for c in _transposed(cells)])
        ]
        v_16NTUC = torch.stack([cell for line in turned for cell in line])
        products = torch.bmm(v_16NTUC.flatten(1, 3), self.weight)
        m = products.view(REACH, REACH, len(x), down, across, -1)
        lines = [_sums([m[i, j] for i in range(REACH)]) for j in range(REACH)]
        pixels = [_sums(list(line)) for line in zip(*lines, strict=True)]
        y_NTUK = torch.stack([torch.stack(line, 3) for line in pixels], 2)
        y_NHWK = y_NTUK.view(len(x), TILE * down, TILE * across, -1)
        if self.bias is not None:
            y_NHWK = y_NHWK + self.bias
        return self.finish(y_NHWK[:, :rows, :columns].permute(0, 3, 1, 2))


def margins(plain: Convolution2d) -> list[int]:
    """Return the zeros a convolution puts around an image: left, right, top and bottom."""
    if plain.padding.explicit is None:
        across, down = plain.padding.operator[1], plain.padding.operator[0]
        return [across, across, down, down]
    left, right, top, bottom = plain.padding.explicit
    down, across = plain.padding.operator
    return [left + across, right + across, top + down, bottom + down]


def _transposed(cells: list[list[Tensor]]) -> list[list[Tensor]]:
    return [list(line) for line in zip(*cells, strict=True)]


def _differences(d: list[Tensor]) -> list[Tensor]:
    """Return Bᵀ d for the four cells of a line."""
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _sums(m: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return Aᵀ m for the four products of a line."""
    return m[0] + m[1] + m[2], m[1] - m[2] - m[3]
