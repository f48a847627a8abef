from unittest.mock import Mock

import pytest
import torch
from torch.nn import functional

import engine.modules.tiles as tiles
import engine.modules.tiling as tiling
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.tiles import convolve_in_tiles
from engine.modules.transforms import transforms
from engine.modules.winograd import WinogradConvolution2d
from engine.padding import Axis, Sides, plan_convolution
from tests.engine.modules.convolutions import (
    check_gradients,
    convolution,
    directly,
    weight_gradients,
)


@pytest.mark.parametrize("size", [(4, 4), (5, 8), (7, 3)])
@pytest.mark.parametrize("padding", [None, 0, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_it_gives_what_torch_gives(
    size: tuple[int, int],
    padding: Sides,
    bias: bool,  # noqa: FBT001 - parametrised
) -> None:
    plain = convolution(3, size, 3, padding, bias=bias)
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))

    found = WinogradConvolution2d(plain)(x)

    torch.testing.assert_close(found, directly(plain, x), atol=1e-5, rtol=1e-5)


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
    tiled = WinogradConvolution2d(convolution(3, (9, 9), 3, None))
    x = torch.randn(7, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    whole = tiled(x)
    monkeypatch.setattr(tiles, "PASS_VALUES", 2 * 36 * 9 * 4)  # two rows of 9 tiles, 4 filters
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
    assert Convolution2d((1, 1, 3, 3), even, None, None, bias=False).padding.margins == (1, 1, 1, 1)
    uneven = Windows(Axis(4, 3, 1, 0, 1, 3), plan_convolution(5, 3, 1, 1))
    plain = Convolution2d((1, 1, 3, 3), uneven, None, None, bias=False)
    assert plain.padding.margins == (1, 1, 0, 1)


@pytest.fixture
def small_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one image of up to 9 tiles and 4 filters be all that is computed at a time."""
    monkeypatch.setattr(tiles, "PASS_VALUES", 36 * 4)


@pytest.mark.usefixtures("small_passes")
@pytest.mark.parametrize("size", [(4, 4), (5, 8), (7, 3)])
@pytest.mark.parametrize("padding", [None, 0, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_torch_finds(
    size: tuple[int, int],
    padding: Sides,
    bias: bool,  # noqa: FBT001 - parametrised
) -> None:
    """With an image a pass."""

    def in_tiles(plain: Convolution2d, x: torch.Tensor) -> torch.Tensor:
        return convolve_in_tiles(x, plain.weight, plain.bias, plain.padding.margins)

    check_gradients(3, size, 3, padding, in_tiles, bias=bias)


@pytest.mark.parametrize(("trained", "products"), [("x", 1), ("weight", 1), ("bias", 0)])
def test_gradients_nobody_asks_for_are_left_out(
    trained: str, products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = {
        "x": torch.ones(2, 3, 4, 4),
        "weight": torch.ones(4, 3, 3, 3),
        "bias": torch.zeros(4),
    }
    leaves[trained].requires_grad_()
    found = convolve_in_tiles(leaves["x"], leaves["weight"], leaves["bias"], (1, 1, 1, 1))
    product = Mock(wraps=torch.bmm)
    monkeypatch.setattr(torch, "bmm", product)

    found.sum().backward()  # type: ignore[no-untyped-call]

    assert product.call_count == products
    assert [name for name, each in leaves.items() if each.grad is not None] == [trained]


@pytest.mark.parametrize(
    ("rows", "pixels", "expected"), [(16, 0, 0), (17, 0, 1), (17, 17 * 4 * 3, 1), (17, 205, 0)]
)
def test_training_is_tiled_where_a_mini_batch_has_many_tiles(
    rows: int, pixels: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of 8 x 7 has 4 tiles of 3 maps, and 65 tiles are the least."""
    monkeypatch.setattr(tiles, "MANY_TILES", 65)
    monkeypatch.setattr(tiles, "MANY_PIXELS", pixels)
    plain = convolution(3, (8, 7), 3, 1)
    x = torch.randn(rows, 3, 8, 7, generator=torch.Generator().manual_seed(1))
    direct = plain(x)
    turned = Mock(wraps=tiles.turned_filters)
    monkeypatch.setattr(tiles, "turned_filters", turned)
    plain.in_tiles = True

    torch.testing.assert_close(plain(x), direct, atol=1e-5, rtol=1e-5)

    assert turned.call_count == expected


def test_transforms_that_scoring_asked_for_first_can_be_trained_with() -> None:
    transforms.cache_clear()
    with torch.inference_mode():
        WinogradConvolution2d(convolution(3, (4, 4), 3, 1))(torch.ones(1, 3, 4, 4))

    assert not any(each.is_inference() for each in tiling.squares(torch.float32))


def test_gradients_of_gradients_are_refused() -> None:
    x = torch.ones(2, 3, 4, 4, requires_grad=True)
    y = convolve_in_tiles(x, torch.ones(4, 3, 3, 3), None, (1, 1, 1, 1))
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("size", [(8, 8), (5, 8), (7, 3)])
def test_an_activation_may_overwrite_what_is_trained(size: tuple[int, int]) -> None:
    """Tiles give the output, or more than that, of which it is a part."""
    plain = convolution(3, size, 3, None)
    x = torch.randn(64, 3, *size, generator=torch.Generator().manual_seed(1))
    expected = weight_gradients(plain, x)
    plain.in_tiles = True

    for mine, theirs in zip(weight_gradients(plain, x), expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-2, rtol=1e-4)
