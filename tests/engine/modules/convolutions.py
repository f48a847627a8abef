"""Small convolutions with numbers from a fixed seed, and what torch makes of them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from engine.devices import seeded
from engine.layers.activations import rectifier
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


def check_gradients(
    maps: int,
    size: tuple[int, int],
    side: int,
    padding: Sides,
    form: Callable[[Convolution2d, Tensor], Tensor],
    *,
    bias: bool,
) -> None:
    """Hold a form, without activation, and its gradients against torch's, in float64.

    Weights and gradients lie in any order.
    """
    plain = convolution(maps, size, side, padding, bias=bias).double()
    left, right, top, bottom = plain.padding.margins
    generator = seeded(1)
    x = torch.randn(3, maps, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    wanted = [x, *plain.parameters()]
    expected = functional.conv2d(
        functional.pad(x, (left, right, top, bottom)), plain.weight, plain.bias
    )
    above = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    above = above.transpose(2, 3).contiguous().transpose(2, 3)

    found = form(plain, x)

    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad(found, wanted, above)
    for mine, theirs in zip(gradients, torch.autograd.grad(expected, wanted, above), strict=True):
        torch.testing.assert_close(mine, theirs)


def weight_gradients(plain: Convolution2d, x: Tensor) -> list[Tensor]:
    """Return those of a layer whose activation overwrites what the convolution gives."""
    plain.activation = rectifier
    return list(torch.autograd.grad(plain(x).square().sum(), list(plain.parameters())))
