import pytest
import torch
from torch.nn import functional

import engine.modules.winograd as winograd
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.winograd import WinogradConvolution2d, margins
from engine.padding import Axis, Sides, plan_convolution


def convolution(rows: int, columns: int, padding: Sides, *, bias: bool = True) -> Convolution2d:
    """Return 4 filters of 3 x 3 over 3 maps, with numbers from a fixed seed."""
    windows = Windows(
        plan_convolution(rows, 3, 1, padding), plan_convolution(columns, 3, 1, padding)
    )
    plain = Convolution2d((4, 3, 3, 3), windows, torch.relu, None, bias=bias)
    generator = torch.Generator().manual_seed(5)
    for parameter in plain.parameters():
        parameter.data.normal_(generator=generator)
    return plain


@pytest.mark.parametrize("size", [(4, 4), (5, 8), (7, 3)])
@pytest.mark.parametrize("padding", [None, 0, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_it_gives_what_torch_gives(
    size: tuple[int, int],
    padding: Sides,
    bias: bool,  # noqa: FBT001 - parametrised
) -> None:
    plain = convolution(*size, padding, bias=bias)
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    left, right, top, bottom = margins(plain)
    weight: torch.Tensor = plain.weight
    padded = functional.pad(x.double(), (left, right, top, bottom))
    offset = None if plain.bias is None else plain.bias.double()
    expected = functional.conv2d(padded, weight.double(), offset).relu().float()

    found = WinogradConvolution2d(plain)(x)

    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_case_worked_by_hand() -> None:
    """One map of ones under one filter of ones: 9 pixels in the middle, 6 and 4 at the edges."""
    windows = Windows(plan_convolution(4, 3, 1, 1), plan_convolution(4, 3, 1, 1))
    plain = Convolution2d((1, 1, 3, 3), windows, None, None, bias=False)
    plain.weight.data.fill_(1.0)

    found = WinogradConvolution2d(plain)(torch.ones(1, 1, 4, 4))

    edge, inner = [4.0, 6.0, 6.0, 4.0], [6.0, 9.0, 9.0, 6.0]
    torch.testing.assert_close(found[0, 0], torch.tensor([edge, inner, inner, edge]))


def test_rounding_errors_are_near_those_of_a_direct_convolution() -> None:
    generator = torch.Generator().manual_seed(2)
    axis = plan_convolution(8, 3, 1, 1)
    plain = Convolution2d((256, 256, 3, 3), Windows(axis, axis), None, None, bias=False)
    plain.weight.data.normal_(std=1 / 48, generator=generator)
    x = torch.rand(8, 256, 8, 8, generator=generator)
    exact = functional.conv2d(x.double(), plain.weight.double(), padding=1)

    with torch.no_grad():
        errors = [
            (each(x) - exact).square().mean() for each in (WinogradConvolution2d(plain), plain)
        ]

    assert float((errors[0] / errors[1]).sqrt()) < 4


def test_rows_that_go_through_in_several_passes_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiled = WinogradConvolution2d(convolution(9, 9, None))
    x = torch.randn(7, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    whole = tiled(x)
    monkeypatch.setattr(winograd, "PASS_VALUES", 2 * 36 * 9 * 4)  # two rows of 9 tiles, 4 filters
    parts: list[int] = []
    product = torch.bmm

    def counted(tiles: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        parts.append(tiles.shape[1] // 9)
        return product(tiles, weight)

    monkeypatch.setattr(torch, "bmm", counted)

    torch.testing.assert_close(tiled(x), whole)

    assert parts == [2, 2, 2, 1]


def test_margins_are_those_of_both_hands_that_pad() -> None:
    even = Windows(plan_convolution(4, 3, 1, 1), plan_convolution(5, 3, 1, 1))
    assert margins(Convolution2d((1, 1, 3, 3), even, None, None, bias=False)) == [1, 1, 1, 1]
    uneven = Windows(Axis(4, 3, 1, 0, 1, 3), plan_convolution(5, 3, 1, 1))
    assert margins(Convolution2d((1, 1, 3, 3), uneven, None, None, bias=False)) == [1, 1, 0, 1]
