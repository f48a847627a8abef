"""Small convolutions with numbers from a fixed seed, and what torch makes of them."""

import torch
from torch import Tensor
from torch.nn import functional

from engine.devices import seeded
from engine.modules.convolution import Convolution2d, Windows
from engine.padding import Sides, plan_convolution


def convolution(
    maps: int, size: tuple[int, int], side: int, padding: Sides = 0, *, bias: bool = True
) -> Convolution2d:
    """Return 4 square filters for images of a size."""
    rows, columns = (plan_convolution(pixels, side, 1, padding) for pixels in size)
    plain = Convolution2d(
        (4, maps, side, side), Windows(rows, columns), torch.relu, None, bias=bias
    )
    generator = seeded(5)
    for parameter in plain.parameters():
        parameter.data.normal_(generator=generator)
    return plain


def directly(plain: Convolution2d, x: Tensor) -> Tensor:
    """Return what torch makes of the convolution in float64."""
    left, right, top, bottom = plain.padding.margins
    padded = functional.pad(x.double(), (left, right, top, bottom))
    offset = None if plain.bias is None else plain.bias.detach().double()
    return functional.conv2d(padded, plain.weight.detach().double(), offset).relu().float()
