from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from engine.devices import seeded
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.scored_strips import OneMapConvolution2d, RowWinogradConvolution2d
from engine.modules.strips import strip_width
from engine.padding import Sides, plan_convolution
from tests.engine.modules.convolutions import convolution, directly

Form = Callable[[Convolution2d], nn.Module]

FORMS = [(OneMapConvolution2d, 1), (RowWinogradConvolution2d, 3)]
"""With the maps that the images of the tests have."""


@pytest.mark.parametrize(("form", "maps"), FORMS)
@pytest.mark.parametrize("size", [(7, 8), (8, 7), (9, 13)])
@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("padding", [None, 0, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_it_gives_what_torch_gives(
    form: Form,
    maps: int,
    size: tuple[int, int],
    side: int,
    padding: Sides,
    bias: bool,  # noqa: FBT001 - parametrised
) -> None:
    plain = convolution(maps, size, side, padding, bias=bias)
    x = torch.randn(2, maps, *size, generator=seeded(1))

    found = form(plain)(x)

    torch.testing.assert_close(found, directly(plain, x), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("form", "maps"), FORMS)
def test_images_may_lie_in_memory_as_they_like(form: Form, maps: int) -> None:
    plain = convolution(maps, (8, 8), 3)
    x = torch.randn(3, maps, 8, 8, generator=seeded(1))
    changed = form(plain)
    expected = changed(x)

    for laid in (x.contiguous(memory_format=torch.channels_last), x.mT.contiguous().mT):
        torch.testing.assert_close(changed(laid), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("form", "maps"), FORMS)
def test_a_case_worked_by_hand(form: Form, maps: int) -> None:
    """Ones under a filter of ones: 9 pixels of each map in the middle, 6 and 4 at the edges."""
    axis = plan_convolution(4, 3, 1, 1)
    plain = Convolution2d((1, maps, 3, 3), Windows(axis, axis), None, None, bias=False)
    plain.weight.data.fill_(1.0)

    found = form(plain)(torch.ones(1, maps, 4, 4))

    edge, inner = [4.0, 6.0, 6.0, 4.0], [6.0, 9.0, 9.0, 6.0]
    expected = torch.tensor([edge, inner, inner, edge]) * maps
    torch.testing.assert_close(found[0, 0], expected, atol=1e-5, rtol=0)


def test_rounding_errors_of_rows_are_near_those_of_a_direct_convolution() -> None:
    """The layer of LeNet: filters of 5 x 5, 20 maps and 50 filters."""
    axis = plan_convolution(12, 5, 1, 0)
    plain = Convolution2d((50, 20, 5, 5), Windows(axis, axis), None, None, bias=False)
    plain.weight.data.normal_(std=1 / 22, generator=seeded(2))
    x = torch.rand(8, 20, 12, 12, generator=seeded(3))
    exact = functional.conv2d(x.double(), plain.weight.double())

    with torch.no_grad():
        errors = [
            (each(x) - exact).square().mean() for each in (RowWinogradConvolution2d(plain), plain)
        ]

    assert float((errors[0] / errors[1]).sqrt()) < 6


@pytest.mark.parametrize(
    ("side", "columns", "expected"),
    [
        (3, 8, 4),  # two strips of 6 products, in place of four of 4 or two of 8
        (3, 6, 6),  # one of 8
        (3, 2, 2),
        (3, 32, 4),  # 48 products, as many as with 6, which rounds more
        (5, 8, 4),  # two of 8, in place of four of 6
        (5, 2, 2),
        (7, 9, 2),
    ],
)
def test_a_strip_gives_so_many_columns_that_products_are_fewest(
    side: int, columns: int, expected: int
) -> None:
    assert strip_width(side, columns) == expected


def test_the_multiplications_of_a_row_are_those_of_the_form() -> None:
    """Columns of 5 cells, 8 to give: 16 products of 5 x 1 filters in place of 40."""
    form = RowWinogradConvolution2d(convolution(3, (12, 12), 5))

    assert form.strips.gives == 4
    assert [tuple(weight.shape) for weight in form.weights] == [(4, 3, 5, 1)] * 8
