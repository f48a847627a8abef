import pytest
import torch
from torch import Tensor

import engine.modules.trained_strips as trained_strips
from engine.devices import seeded
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.scored_strips import strips
from engine.modules.strips import strip_width
from engine.modules.trained_strips import convolve_in_strips, has_many_strips
from engine.padding import Sides, plan_convolution
from tests.engine.modules.convolutions import check_gradients, convolution, weight_gradients


def in_strips(plain: Convolution2d, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the convolution without its activation."""
    cut = strips(plain, strip_width(plain.weight.shape[3], plain.columns))
    return convolve_in_strips(x, plain.weight, bias, cut)


def with_bias(plain: Convolution2d, x: Tensor) -> Tensor:
    """Return it with its bias."""
    return in_strips(plain, x, plain.bias)


@pytest.fixture
def small_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one image be all that is computed at a time."""
    monkeypatch.setattr(trained_strips, "PASS_VALUES", 1)


@pytest.mark.usefixtures("small_passes")
@pytest.mark.parametrize("size", [(7, 8), (8, 7), (9, 13)])
@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("padding", [None, 0, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_it_gives_what_torch_gives_and_its_gradients(
    size: tuple[int, int],
    side: int,
    padding: Sides,
    bias: bool,  # noqa: FBT001 - parametrised
) -> None:
    """With an image a pass."""
    check_gradients(3, size, side, padding, with_bias, bias=bias)


def test_filters_may_be_higher_than_wide() -> None:
    windows = Windows(plan_convolution(9, 5, 1, 0), plan_convolution(8, 3, 1, 0))
    plain = Convolution2d((4, 3, 5, 3), windows, None, None, bias=False)
    plain.weight.data.normal_(generator=seeded(2))
    x = torch.randn(2, 3, 9, 8, generator=seeded(1))

    torch.testing.assert_close(in_strips(plain, x), plain(x), atol=2e-5, rtol=1e-5)


def test_a_case_worked_by_hand() -> None:
    """Ones under a filter of ones: 9 pixels in the middle, 6 and 4 at the edges.

    A pixel adds to as many outputs as look at it, and a cell of the filter sees 16 ones, 12 where
    it looks over one edge, and 9 where over two.
    """
    axis = plan_convolution(4, 3, 1, 1)
    plain = Convolution2d((1, 1, 3, 3), Windows(axis, axis), None, None, bias=False)
    plain.weight.data.fill_(1.0)
    x = torch.ones(1, 1, 4, 4, requires_grad=True)

    found = in_strips(plain, x)
    found.sum().backward()  # type: ignore[no-untyped-call]

    edge, inner = [4.0, 6.0, 6.0, 4.0], [6.0, 9.0, 9.0, 6.0]
    expected = torch.tensor([edge, inner, inner, edge])
    cells = torch.tensor([[9.0, 12.0, 9.0], [12.0, 16.0, 12.0], [9.0, 12.0, 9.0]])
    assert x.grad is not None
    assert plain.weight.grad is not None
    torch.testing.assert_close(found[0, 0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(x.grad[0, 0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.weight.grad[0, 0], cells, atol=1e-5, rtol=0)


def test_only_the_gradients_that_are_wanted_are_found() -> None:
    plain = convolution(3, (8, 8), 5, bias=True)
    x = torch.randn(2, 3, 8, 8, generator=seeded(1))
    y = in_strips(plain, x, plain.bias)
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is None
    assert plain.weight.grad is not None

    plain.weight.requires_grad = False
    plain.weight.grad = None
    x.requires_grad_()
    in_strips(plain, x).sum().backward()  # type: ignore[no-untyped-call]

    assert x.grad is not None
    assert plain.weight.grad is None


@pytest.mark.parametrize("columns", [12, 11])
def test_an_activation_may_overwrite_what_is_trained(columns: int) -> None:
    """Strips give the output, or more than that, of which it is a part."""
    plain = convolution(3, (12, columns), 5)
    x = torch.randn(64, 3, 12, columns, generator=seeded(1))
    expected = weight_gradients(plain, x)
    plain.in_strips = strips(plain, 4)

    for mine, theirs in zip(weight_gradients(plain, x), expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=0.1, rtol=1e-4)


def test_gradients_of_filters_lie_as_filters_do() -> None:
    """Solvers that update all weights in one call go through both in step."""
    plain = convolution(3, (8, 8), 5)
    plain.weight.data = plain.weight.data.contiguous(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 8, 8, generator=seeded(1))

    (found,) = torch.autograd.grad(in_strips(plain, x).sum(), [plain.weight])

    assert found.stride() == plain.weight.stride()


def test_images_with_128_strips_have_many() -> None:
    cut = strips(convolution(1, (12, 12), 5), 4)  # 8 columns, two strips

    assert not has_many_strips(torch.empty(63, 1, 12, 12), cut)
    assert has_many_strips(torch.empty(64, 1, 12, 12), cut)
