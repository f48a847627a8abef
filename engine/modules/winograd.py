"""Convolutions in Winograd's form for scoring alone: filters are turned once."""

from torch import Tensor

from engine.modules.convolution import Convolution2d
from engine.modules.finish import Finish
from engine.modules.tiles import convolved, tiling, turned_filters


class WinogradConvolution2d(Finish):
    """A convolution of 3 x 3 filters in Winograd's form.

    Shapes: (N, C, H, W) → (N, K, H', W'); ``weight`` (P, C, K), ``bias`` (K,).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, plain: Convolution2d) -> None:
        super().__init__(plain.activation, plain.dropout)
        self.margins = plain.padding.margins
        self.register_buffer("weight", turned_filters(plain.weight.detach()))
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        cut = tiling(x, self.weight, self.margins)
        return self.finish(convolved(x, self.weight, self.bias, cut))
