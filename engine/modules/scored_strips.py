"""Convolutions of images cut into strips, for scoring alone.

Columns become maps, and the strips of all images lie side by side in one wide image, down which
filters of one column slide: the form in which the libraries are quickest.

Shape letters: as in ``engine.modules.strips``; P products.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.convolution import Convolution2d
from engine.modules.finish import Finish
from engine.modules.strips import Strips, strip_width
from engine.modules.transforms import matrices

COLUMNS = 2
"""Columns that a strip gives where the columns it looks at are maps themselves; measured."""


def strips(plain: Convolution2d, gives: int) -> Strips:
    """Return how the images of a convolution are cut."""
    return Strips(plain.padding.margins, plain.weight.shape[3], plain.columns, gives)


def slid_down(x_HNTC: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return filters (K, C, height, 1) slid down all strips, (H', N, T, K)."""
    _, rows, across, _ = x_HNTC.shape
    wide = x_HNTC.flatten(1, 2).permute(2, 0, 1)[None]
    y_HWK = functional.conv2d(wide, weight, bias)[0].permute(1, 2, 0)
    return y_HWK.reshape(-1, rows, across, len(weight))


class OneMapConvolution2d(Finish):
    """A convolution over one map, with the columns a strip looks at for maps.

    A library that takes maps side by side into its registers is half idle over a single one. Here
    it has R of them, and Q K filters, which are those of the layer moved by a column each.

    Shapes: (N, 1, H, W) → (N, K, H', W'); ``weight`` (Q K, R, height, 1), ``bias`` (Q K,).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, plain: Convolution2d) -> None:
        super().__init__(plain.activation, plain.dropout)
        self.strips = strips(plain, COLUMNS)
        bias = None if plain.bias is None else plain.bias.detach().repeat(COLUMNS)
        self.register_buffer("weight", moved_filters(plain.weight.detach(), COLUMNS))
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        seen_HNTR = self.strips.seen(x)[..., 0]
        y_HNTF = slid_down(seen_HNTR, self.weight, self.bias)
        y_HNTQK = y_HNTF.reshape(*y_HNTF.shape[:3], COLUMNS, -1)
        return self.finish(self.strips.image(y_HNTQK))


def moved_filters(weight: Tensor, columns: int) -> Tensor:
    """Return filters (K, 1, height, S) once for each column that a strip gives.

    Shapes: (Q K, R, height, 1), zeros beside the cells.
    """
    g_QKHR = torch.cat(
        [functional.pad(weight[:, 0], (place, columns - 1 - place)) for place in range(columns)]
    )
    return g_QKHR.permute(0, 2, 1)[..., None]


class RowWinogradConvolution2d(Finish):
    """A convolution in Winograd's form along the width.

    The transforms are written out, number by number, for a compiler that makes one pass over memory
    of them; without one the direct form is quicker.

    Shapes: (N, C, H, W) → (N, K, H', W'); ``weights`` P times (K, C, height, 1), ``bias`` (K,).
    """

    bias: Tensor | None

    def __init__(self, plain: Convolution2d) -> None:
        super().__init__(plain.activation, plain.dropout)
        side = plain.weight.shape[3]
        gives = strip_width(side, plain.columns)
        self.strips = strips(plain, gives)
        into_products, of_filters, into_columns = matrices(gives, side)
        self.into_products, self.into_columns = into_products.tolist(), into_columns.tolist()
        turned = (plain.weight.detach().double() @ of_filters.T).to(plain.weight.dtype)
        self.weights = nn.ParameterList(
            nn.Parameter(each[..., None].contiguous(), requires_grad=False)
            for each in turned.unbind(3)
        )
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        seen = self.strips.seen(x).unbind(3)
        products = [
            slid_down(values, weight)
            for values, weight in zip(sums(self.into_products, seen), self.weights, strict=True)
        ]
        y_HNTQK = torch.stack(sums(self.into_columns, products), 3)
        if self.bias is not None:
            y_HNTQK = y_HNTQK + self.bias
        return self.finish(self.strips.image(y_HNTQK))


def sums(matrix: list[list[float]], values: Sequence[Tensor]) -> list[Tensor]:
    """Return the sums of values, weighted by each row of a matrix."""
    return [
        reduce(add, (each * factor for each, factor in zip(values, row, strict=True) if factor))
        for row in matrix
    ]
