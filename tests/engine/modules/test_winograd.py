"""The loops in C against torch's convolution in float64."""

from math import nan
from typing import NamedTuple
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import engine.modules.convolution as convolution
import engine.modules.winograd as winograd
from engine.devices import seeded
from engine.layers.activations import rectifier
from engine.loops.arguments import Margins
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.scored_convolution import ScoredConvolution2d
from engine.modules.winograd import convolve, convolved, has_many_tiles, loops, turned
from engine.padding import Axis, plan_convolution
from tests.engine.modules.programs import printed

LAST = torch.channels_last


pytestmark = pytest.mark.usefixtures("instructions")


class Case(NamedTuple):
    """A convolution.

    Attributes:
        maps: of an image.
        filters: that see them.
        side: of a filter.
        size: height and width of an image.
        margins: zeros around it: left, right, top and bottom.
        images: how many.
    """

    maps: int
    filters: int
    side: int
    size: tuple[int, int]
    margins: Margins = (0, 0, 0, 0)
    images: int = 3


CASES = [
    Case(1, 1, 3, (3, 3)),  # one pixel
    Case(16, 16, 3, (4, 4), (1, 1, 1, 1)),  # one tile
    Case(3, 5, 3, (5, 8)),  # 3 x 6 pixels of the output: tiles give more than there are
    Case(20, 50, 5, (12, 12)),  # LeNet's
    Case(17, 33, 3, (7, 3), (2, 2, 2, 2)),  # one more than fills vectors
    Case(70, 40, 3, (9, 14), (0, 1, 2, 0)),  # margins of their own on each side
    Case(24, 8, 5, (6, 11), (2, 1, 3, 2)),
    Case(8, 24, 5, (9, 9), (5, 6, 7, 0)),  # margins wider than filters
    Case(64, 96, 3, (12, 12), (1, 1, 1, 1), 7),
    Case(48, 64, 5, (16, 16), (2, 2, 2, 2), 9),  # more than one block of tiles
]


class Numbers(NamedTuple):
    """Images, filters, bias and what comes back from above."""

    x: Tensor
    weight: Tensor
    bias: Tensor
    above: Tensor


def numbers(case: Case) -> Numbers:
    generator = seeded(1)
    left, right, top, bottom = case.margins
    height, width = case.size
    x = torch.randn(case.images, case.maps, height, width, generator=generator)
    cells = (case.filters, case.maps, case.side, case.side)
    weight = torch.randn(cells, generator=generator) / (case.maps * case.side**2) ** 0.5
    bias = torch.randn(case.filters, generator=generator)
    rows, columns = height + top + bottom - case.side + 1, width + left + right - case.side + 1
    above = torch.randn(case.images, case.filters, rows, columns, generator=generator)
    return Numbers(x, weight, bias, above)


def exactly(case: Case, given: Numbers) -> list[Tensor]:
    """Return torch's convolution and its gradients in float64."""
    x, weight, bias = (each.double().requires_grad_() for each in given[:3])
    y = functional.conv2d(functional.pad(x, case.margins), weight, bias)
    return [y.detach(), *torch.autograd.grad(y, [x, weight, bias], given.above.double())]


def by_loops(case: Case, given: Numbers) -> list[Tensor]:
    x, weight, bias = (each.detach().requires_grad_() for each in given[:3])
    y = convolve(x, weight, bias, case.margins)
    return [y.detach(), *torch.autograd.grad(y, [x, weight, bias], given.above)]


def assert_near(found: list[Tensor], expected: list[Tensor]) -> None:
    """Rounding errors are those of float32, some of them ten times those of torch."""
    for mine, theirs in zip(found, expected, strict=True):
        rounding = 5e-5 * float(theirs.abs().max())
        torch.testing.assert_close(mine.double(), theirs, atol=rounding, rtol=0.0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", [LAST, torch.contiguous_format])
def test_convolutions_and_gradients_are_torchs(case: Case, order: torch.memory_format) -> None:
    given = numbers(case)
    ordered = Numbers(
        given.x.contiguous(memory_format=order),
        given.weight.contiguous(memory_format=order),
        given.bias,
        given.above.transpose(2, 3).contiguous().transpose(2, 3),
    )

    found = by_loops(case, ordered)

    assert_near(found, exactly(case, given))
    assert found[2].stride() == ordered.weight.stride()


@pytest.mark.parametrize("case", CASES[1:])
def test_maxima_of_neighbours_are_torchs(case: Case) -> None:
    """A row or a column that is left over is in no window."""
    given = numbers(case)
    shape = given.weight.shape

    found = convolved(given.x, turned(given.weight), shape, given.bias, case.margins, window=2)

    assert_near([found], [functional.max_pool2d(exactly(case, given)[0], 2)])


def test_where_a_number_is_none_the_maxima_of_its_tile_are_none() -> None:
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 0, 0] = nan
    weight = torch.ones(9, 1, 3, 3)
    found = convolved(x, turned(weight), weight.shape, None, (0, 2, 0, 2), window=2)
    first = torch.zeros(4, 4, dtype=torch.bool)
    first[:2, :2] = True
    assert all(each.isnan().equal(first) for each in found[0])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_numbers(threads: int) -> None:
    case = CASES[-1]
    given = numbers(case)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = by_loops(case, given)
    finally:
        torch.set_num_threads(before)
    assert_near(found, exactly(case, given))


FEWER_THREADS = """
import torch
from engine.modules.winograd import convolve

def found(threads):
    torch.set_num_threads(threads)
    x = torch.rand(9, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    weight = torch.ones(16, 16, 3, 3, requires_grad=True)
    y = convolve(x, weight, None, (1, 1, 1, 1))
    return y, *torch.autograd.grad(y.sum(), weight)

pairs = zip(found(1), found(4))
print([torch.allclose(one, four, rtol=1e-4) for one, four in pairs])
"""


def test_fewer_threads_than_were_asked_for_do_all_of_the_work() -> None:
    assert printed(FEWER_THREADS, OMP_THREAD_LIMIT="1") == "[True, True]\n"


def test_a_case_worked_by_hand() -> None:
    """One map of ones under one filter of ones: 9 pixels in the middle, 6 and 4 at the edges."""
    found = convolve(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), None, (1, 1, 1, 1))
    edge, inner = [4.0, 6.0, 6.0, 4.0], [6.0, 9.0, 9.0, 6.0]
    torch.testing.assert_close(found[0, 0], torch.tensor([edge, inner, inner, edge]))


@pytest.mark.parametrize(("side", "most"), [(3, 8), (5, 24)])
def test_rounding_errors_are_near_those_of_a_direct_convolution(side: int, most: float) -> None:
    case = Case(256, 64, side, (8, 8), (side // 2,) * 4, 8)
    given = numbers(case)
    exact = exactly(case, given)[0]
    x = functional.pad(given.x, case.margins)
    direct = functional.conv2d(x, given.weight, given.bias)
    found = convolve(given.x, given.weight, given.bias, case.margins)

    errors = [float((each - exact).square().mean().sqrt()) for each in (found, direct)]

    assert errors[0] / errors[1] < most


@pytest.mark.parametrize("window", [1, 2])
def test_nothing_is_written_beyond_the_output(window: int) -> None:
    """Rows that are a part of others, whose numbers around them stay."""
    case = CASES[2]
    given = numbers(case)
    expected = functional.max_pool2d(exactly(case, given)[0], window).float()
    _, filters, rows, columns = expected.shape
    whole = torch.full((5, rows + 2, columns + 2, filters + 32), 7.0).permute(0, 3, 1, 2)
    part = whole[1:-1, 16:-16, 1:-1, 1:-1]
    own = loops(3)
    assert own is not None

    x = given.x.contiguous(memory_format=LAST)
    own.convolve(x, own.turned(given.weight), given.bias, case.margins, part, window=window)

    torch.testing.assert_close(part, expected, atol=1e-5, rtol=0.0)
    part.fill_(7.0)
    assert bool((whole == 7.0).all())


@pytest.mark.parametrize("trained", ["x", "weight", "bias"])
def test_gradients_nobody_asks_for_are_left_out(
    trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = numbers(CASES[1])
    leaves = {name: getattr(given, name) for name in ("x", "weight", "bias")}
    leaves[trained].requires_grad_()
    found = convolve(leaves["x"], leaves["weight"], leaves["bias"], (1, 1, 1, 1))
    used = {name: Mock(wraps=getattr(winograd, name)) for name in ("_of_images", "_of_filters")}
    for name, each in used.items():
        monkeypatch.setattr(winograd, name, each)

    found.sum().backward()  # type: ignore[no-untyped-call]

    assert [name for name, each in leaves.items() if each.grad is not None] == [trained]
    called = {name for name, each in used.items() if each.called}
    assert called == {"x": {"_of_images"}, "weight": {"_of_filters"}, "bias": set()}[trained]


def test_gradients_of_gradients_are_refused() -> None:
    x = torch.ones(2, 3, 4, 4, requires_grad=True)
    y = convolve(x, torch.ones(4, 3, 3, 3), None, (1, 1, 1, 1))
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


def layer(case: Case) -> Convolution2d:
    """Return a layer of the case, whose activation overwrites what it is given."""
    rows, columns = (plan_convolution(pixels, case.side, 1, None) for pixels in case.size)
    shape = (case.filters, case.maps, case.side, case.side)
    plain = Convolution2d(shape, Windows(rows, columns), rectifier, None, bias=True)
    given = numbers(case)
    plain.weight.data.copy_(given.weight)
    assert plain.bias is not None
    plain.bias.data.copy_(given.bias)
    return plain


@pytest.mark.parametrize(("images", "used"), [(7, 0), (8, 1)])
def test_layers_are_trained_by_loops_where_a_mini_batch_has_many_tiles(
    images: int, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of 8 x 7 has 4 tiles, and 32 are the least; activations overwrite the output."""
    case = Case(16, 24, 3, (8, 7), images=images)
    plain, x = layer(case), numbers(case).x
    expected = torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))
    called = Mock(wraps=convolve)
    monkeypatch.setattr(convolution, "convolve", called)
    plain.in_loops = True

    found = torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))

    assert called.call_count == used
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("case", [CASES[3], CASES[6]._replace(size=(9, 8))])
def test_layers_score_with_filters_that_are_turned_once(case: Case) -> None:
    plain, x = layer(case), numbers(case).x
    scored = ScoredConvolution2d(plain)
    plain.weight.data.zero_()

    with torch.inference_mode():
        found = scored(x)

    expected = layer(case).double()(x.double())
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0.0)


def test_matrices_that_scoring_asked_for_first_can_be_trained_with() -> None:
    given = numbers(CASES[1])
    with torch.inference_mode():
        convolved(given.x, turned(given.weight), given.weight.shape, None, (1, 1, 1, 1))

    assert_near(by_loops(CASES[1], given), exactly(CASES[1], given))


def test_what_the_loops_cannot_take_is_left_to_torch() -> None:
    x = torch.zeros(8, 16, 8, 8)
    margins = (1, 1, 1, 1)
    assert has_many_tiles(x, 3, margins)
    assert not has_many_tiles(x[:7], 3, margins)
    assert not has_many_tiles(x.double(), 3, margins)
    assert not has_many_tiles(x.to("meta"), 3, margins)


def test_there_are_loops_for_two_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [side for side in range(1, 10) if loops(side) is not None] == [3, 5]
    monkeypatch.setattr(winograd, "library", lambda *_: None)
    loops.cache_clear()
    assert loops(3) is None


def test_margins_are_those_of_both_hands_that_pad() -> None:
    even = Windows(plan_convolution(4, 3, 1, 1), plan_convolution(5, 3, 1, 1))
    assert Convolution2d((1, 1, 3, 3), even, None, None, bias=False).padding.margins == (1, 1, 1, 1)
    uneven = Windows(Axis(4, 3, 1, 0, 1, 3), plan_convolution(5, 3, 1, 1))
    plain = Convolution2d((1, 1, 3, 3), uneven, None, None, bias=False)
    assert plain.padding.margins == (1, 1, 0, 1)
