"""The loops in C against torch's convolution and maximum in float64."""

from math import nan
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import engine.modules.pooled_convolution as pooled_convolution
from engine.devices import seeded
from engine.layers.activations import rectifier
from engine.loops.arguments import Margins
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.dropout import Dropout
from engine.modules.pooled_convolution import PooledConvolution2d, pooled_loops
from engine.padding import plan_convolution
from tests.engine.modules.programs import printed

pytestmark = pytest.mark.usefixtures("instructions")

LAST = torch.channels_last


class Case(NamedTuple):
    """A convolution whose maxima are taken.

    Attributes:
        maps: of an image.
        filters: that see them.
        cells: of a filter, down and across.
        size: height and width of an image.
        margins: zeros around it: left, right, top and bottom.
        images: how many.
    """

    maps: int
    filters: int
    cells: tuple[int, int]
    size: tuple[int, int]
    margins: Margins = (0, 0, 0, 0)
    images: int = 3


CASES = [
    Case(1, 1, (1, 1), (2, 2), images=1),  # one number
    Case(1, 20, (5, 5), (28, 28)),  # LeNet's
    Case(3, 24, (3, 3), (9, 6), (1, 1, 1, 1)),  # a row of windows does not fill an image
    Case(2, 8, (3, 5), (7, 11)),
    Case(4, 25, (2, 3), (6, 9), (0, 1, 2, 0)),  # one more than fills three vectors
    Case(1, 33, (3, 3), (8, 7), (2, 0, 0, 3)),
    Case(3, 47, (7, 7), (12, 10), (3, 3, 3, 3)),
    Case(8, 9, (4, 4), (5, 5), (5, 6, 7, 4)),  # margins wider than filters
    Case(5, 64, (1, 3), (4, 4), images=9),
]


def numbers(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, filters and bias."""
    generator = seeded(1)
    x = torch.randn(case.images, case.maps, *case.size, generator=generator)
    weight = torch.randn(case.filters, case.maps, *case.cells, generator=generator)
    return x, weight, torch.randn(case.filters, generator=generator)


def exactly(case: Case, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return torch's maxima in float64."""
    padded = functional.pad(x.double(), case.margins)
    whole = functional.conv2d(padded, weight.double(), None if bias is None else bias.double())
    return functional.max_pool2d(whole, 2)


def by_loops(case: Case, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    own = pooled_loops()
    assert own is not None
    y = torch.empty(exactly(case, x, weight, bias).shape, memory_format=LAST)
    own.convolve(x.contiguous(memory_format=LAST), weight, bias, case.margins, y)
    return y


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_maxima_are_torchs(case: Case, has_bias: bool) -> None:  # noqa: FBT001 - parametrised
    x, weight, bias = numbers(case)
    given = (case, x, weight, bias if has_bias else None)
    torch.testing.assert_close(by_loops(*given).double(), exactly(*given), atol=1e-4, rtol=0.0)


def layer(case: Case, **more: Any) -> Convolution2d:
    """Return a convolution of the case, of an even margin or none, with its numbers."""
    margin = case.margins[0]
    rows, columns = (
        plan_convolution(pixels, cells, 1, margin)
        for pixels, cells in zip(case.size, case.cells, strict=True)
    )
    cells = (case.filters, case.maps, *case.cells)
    plain = Convolution2d(cells, Windows(rows, columns), None, None, **{"bias": True, **more})
    _, weight, bias = numbers(case)
    plain.weight.data.copy_(weight)
    if plain.bias is not None:
        plain.bias.data.copy_(bias)
    return plain


EVEN = [case for case in CASES if len(set(case.margins)) == 1]


@pytest.mark.parametrize("case", EVEN)
@pytest.mark.parametrize("order", [LAST, torch.contiguous_format])
@pytest.mark.parametrize("has_bias", [True, False])
def test_gradients_are_torchs(case: Case, order: torch.memory_format, has_bias: bool) -> None:  # noqa: FBT001 - parametrised
    x, *_ = numbers(case)
    plain = layer(case, bias=has_bias)
    plain.weight.data = plain.weight.data.contiguous(memory_format=order)
    exact = layer(case, bias=has_bias).double()
    y = functional.max_pool2d(exact(x.double()), 2)
    above = torch.randn(y.shape, generator=seeded(4)).contiguous(memory_format=order)
    expected = torch.autograd.grad(y, list(exact.parameters()), above.double())

    pooled = PooledConvolution2d(plain)
    found = torch.autograd.grad(
        pooled(x.contiguous(memory_format=order)), list(pooled.parameters()), above
    )

    assert [id(each) for each in pooled.parameters()] == [id(each) for each in plain.parameters()]
    for mine, theirs in zip(found, expected, strict=True):
        rounding = 1e-5 * float(theirs.abs().max()) * len(x)
        torch.testing.assert_close(mine.double(), theirs, atol=rounding, rtol=0.0)
    assert found[0].stride() == plain.weight.stride()


def test_of_equal_neighbours_the_first_has_the_gradient() -> None:
    """Two maps that are added up: of 3, 3, 3, 3 the first is 1 + 2, of 0, 3, 3, 3 it is 3 + 0."""
    case = Case(2, 3, (1, 1), (2, 4))
    pooled = PooledConvolution2d(layer(case, bias=False))
    pooled.weight.data.fill_(1.0)
    one = torch.tensor([[1.0, 2.0, 0.0, 3.0], [0.0, 3.0, 2.0, 1.0]])
    both = torch.tensor([[3.0, 3.0, 0.0, 3.0], [3.0, 3.0, 3.0, 3.0]])

    torch.autograd.backward(pooled(torch.stack([one, both - one])[None]).sum())

    assert pooled.weight.grad is not None
    assert pooled.weight.grad.flatten(1).tolist() == [[4.0, 2.0]] * 3


@pytest.mark.parametrize("trained", ["weight", "bias"])
def test_gradients_nobody_asks_for_are_left_out(trained: str) -> None:
    case = CASES[1]
    pooled = PooledConvolution2d(layer(case))
    for name, parameter in pooled.named_parameters():
        parameter.requires_grad_(name == trained)

    torch.autograd.backward(pooled(numbers(case)[0]).sum())

    given = [name for name, each in pooled.named_parameters() if each.grad is not None]
    assert given == [trained]


def test_gradients_of_gradients_are_refused() -> None:
    pooled = PooledConvolution2d(layer(CASES[1]))
    y = pooled(numbers(CASES[1])[0]).square().sum()
    (gradient,) = torch.autograd.grad(y, pooled.weight, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        torch.autograd.backward(gradient.sum())


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_gradients(threads: int) -> None:
    case = Case(1, 20, (5, 5), (6, 6), images=2)  # two rows of windows
    pooled = PooledConvolution2d(layer(case))
    x = numbers(case)[0]
    exact = layer(case).double()
    expected = torch.autograd.grad(
        functional.max_pool2d(exact(x.double()), 2).sum(), list(exact.parameters())
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = torch.autograd.grad(pooled(x).sum(), list(pooled.parameters()))
    finally:
        torch.set_num_threads(before)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, atol=1e-4, rtol=0.0)


FEWER_THREADS = """
import torch
from engine.modules.pooled_convolution import pooled_loops

def found(threads):
    torch.set_num_threads(threads)
    x = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    places, y = torch.zeros(9, 4, 3, 3, dtype=torch.int32), torch.ones(9, 4, 3, 3)
    places, y = (each.contiguous(memory_format=torch.channels_last) for each in (places, y))
    weight = torch.empty(4, 1, 3, 3)
    pooled_loops().gradients(x, y, places, (0, 0, 0, 0), weight)
    return weight

print(torch.allclose(found(1), found(4), rtol=1e-4))
"""


def test_fewer_threads_than_were_asked_for_do_all_of_the_work() -> None:
    assert printed(FEWER_THREADS, OMP_THREAD_LIMIT="1") == "True\n"


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_numbers(threads: int) -> None:
    given = (CASES[1], *numbers(CASES[1]))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = by_loops(*given)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found.double(), exactly(*given), atol=1e-4, rtol=0.0)


def test_a_case_worked_by_hand() -> None:
    """Filters that see one of two cells, or turn its sign: the largest of four, or the smallest."""
    x = torch.tensor([[1.0, 5.0, 2.0], [4.0, 3.0, 9.0]])[None, None]
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])[:, None, None]
    case = Case(1, 4, (1, 2), (2, 3))
    found = by_loops(case, x, weight, torch.tensor([0.0, 0.0, 0.0, 0.5]))
    assert found.flatten().tolist() == [5.0, 9.0, -1.0, -1.5]


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("column", [0, 1, 4])
def test_where_a_number_is_none_neither_is_the_maximum(row: int, column: int) -> None:
    """As in torch, wherever in a window it comes up."""
    x = torch.ones(1, 1, 2, 6)
    x[0, 0, row, column] = nan
    found = by_loops(Case(1, 9, (1, 1), (2, 6)), x, torch.ones(9, 1, 1, 1), None)
    assert found[0].isnan().tolist() == [[[each == column // 2 for each in range(3)]]] * 9


def test_nothing_is_written_beyond_the_output() -> None:
    """Rows that are a part of others, whose numbers around them stay."""
    case = CASES[4]
    given = (case, *numbers(case))
    expected = exactly(*given).float()
    _, filters, rows, columns = expected.shape
    whole = torch.full((5, rows + 2, columns + 2, filters + 16), 7.0).permute(0, 3, 1, 2)
    part = whole[1:-1, 8:-8, 1:-1, 1:-1]
    own = pooled_loops()
    assert own is not None
    _, x, weight, bias = given

    x = x.contiguous(memory_format=LAST)
    own.convolve(x, weight, bias, case.margins, part)

    torch.testing.assert_close(part, expected, atol=1e-4, rtol=0.0)
    part.fill_(7.0)
    assert bool((whole == 7.0).all())


@pytest.mark.parametrize("order", [LAST, torch.contiguous_format])
@pytest.mark.parametrize("kind", ["STANDARD", "INVERTED"])
def test_layers_activate_maxima(order: torch.memory_format, kind: str) -> None:
    """Dropout of the kind STANDARD scales what is scored; an activation overwrites its argument."""
    windows = Windows(plan_convolution(9, 3, 1, None), plan_convolution(8, 3, 1, None))
    dropout = Dropout(0.25, kind)  # type: ignore[arg-type]
    plain = Convolution2d((6, 2, 3, 3), windows, rectifier, dropout, bias=True)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, generator=seeded(2))
    x = torch.randn(4, 2, 9, 8, generator=seeded(3)).contiguous(memory_format=order)
    with torch.no_grad():
        expected = functional.max_pool2d(plain.eval()(x), 2)

        found = PooledConvolution2d(plain).eval()(x)

    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0.0)


def test_there_are_none_where_none_were_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled_convolution, "library", lambda *_: None)
    pooled_loops.cache_clear()
    assert pooled_loops() is None
