"""Convolutions in Winograd's form for scoring alone: filters are turned once."""

from torch import Tensor

from engine.loops.arguments import WINDOW
from engine.modules.convolution import Convolution2d
from engine.modules.finish import Finish
from engine.modules.winograd import convolved, turned


class ScoredConvolution2d(Finish):
    """A convolution of filters for which there are loops.

    Shapes: (N, C, H, W) → (N, K, H', W'), or (N, K, P, Q) of maxima, P and Q half as many, rounded
    down; ``weight`` packed, ``bias`` (K,).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, plain: Convolution2d, *, pools: bool = False) -> None:
        """Turn the filters of a convolution.

        Args:
            plain: the convolution.
            pools: take the largest of every 2 x 2 neighbours, before what follows a convolution.
        """
        super().__init__(plain.activation, plain.dropout)
        self.window = WINDOW if pools else 1
        self.margins = plain.padding.margins
        self.shape = plain.weight.shape
        self.register_buffer("weight", turned(plain.weight))
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        given = (x, self.weight, self.shape, self.bias, self.margins)
        return self.finish(convolved(*given, window=self.window))
