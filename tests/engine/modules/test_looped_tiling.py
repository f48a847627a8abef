"""The loops in C against torch's convolution in float64, and against the products of matrices."""

import ctypes
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import engine.modules.looped_tiling as looped_tiling
import engine.modules.tiles as tiles
from engine.devices import seeded
from engine.loops.library import FOLDER
from engine.modules.looped_tiling import LoopedTiling, can_loop, has_loops
from engine.modules.tiles import convolve_in_tiles, tiling, turned_filters
from engine.modules.tiling import Margins, Tiling

ABLE = {"AVX512": ("avx512", "avx2"), "AVX2": ("avx2",)}
"""The sets of instructions a processor has, by what it is capable of."""

LAST = torch.channels_last


@pytest.fixture(autouse=True, params=["avx512", "avx2"])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the loops that were built for a set of instructions."""
    able = ABLE.get(torch.backends.cpu.get_cpu_capability(), ())
    path = FOLDER / f"tiles-{request.param}.so"
    if request.param not in able or not path.exists():
        pytest.skip(f"no loops were built for {request.param}, or this processor has it not")
    loops = ctypes.CDLL(str(path))
    monkeypatch.setattr(looped_tiling, "library", lambda _: loops)


class Case(NamedTuple):
    """A convolution: maps, filters, height and width of an image, zeros around it, and images."""

    maps: int
    filters: int
    size: tuple[int, int]
    margins: Margins
    images: int = 3


CASES = [
    Case(16, 16, (4, 4), (1, 1, 1, 1)),
    Case(32, 16, (5, 8), (0, 0, 0, 0)),  # 3 x 6 pixels: tiles give more than there are
    Case(16, 48, (7, 3), (2, 2, 2, 2)),
    Case(80, 96, (9, 14), (0, 1, 2, 0)),  # margins of their own on each side; a group and a half
    Case(128, 64, (12, 12), (1, 1, 1, 1), 7),
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
    weight = torch.randn(case.filters, case.maps, 3, 3, generator=generator) / case.maps**0.5
    bias = torch.randn(case.filters, generator=generator)
    rows, columns = height + top + bottom - 2, width + left + right - 2
    above = torch.randn(case.images, case.filters, rows, columns, generator=generator)
    return Numbers(x.contiguous(memory_format=LAST), weight, bias, above)


def exactly(case: Case, given: Numbers) -> list[Tensor]:
    """Return torch's convolution and its gradients in float64."""
    x, weight, bias, above = (each.double().requires_grad_() for each in given)
    y = functional.conv2d(functional.pad(x, case.margins), weight, bias)
    return [y.detach(), *torch.autograd.grad(y, [x, weight, bias], above.detach())]


def in_tiles(case: Case, given: Numbers) -> list[Tensor]:
    x, weight, bias = (each.clone().requires_grad_() for each in given[:3])
    y = convolve_in_tiles(x, weight, bias, case.margins)
    return [y.detach(), *torch.autograd.grad(y, [x, weight, bias], given.above)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("images_a_pass", [1, 100])
def test_convolutions_and_gradients_are_torchs(
    case: Case, images_a_pass: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients from above come in another order than channels last."""
    given = numbers(case)
    cut = tiling(given.x, turned_filters(given.weight), case.margins)
    values = 36 * cut.down * cut.across * max(case.maps, case.filters)
    monkeypatch.setattr(tiles, "PASS_VALUES", images_a_pass * values)
    monkeypatch.setattr(tiles, "WEIGHT_SHARE", 1 << 40)
    assert type(cut) is LoopedTiling

    for mine, theirs in zip(in_tiles(case, given), exactly(case, given), strict=True):
        rounding = 1e-5 * float(theirs.abs().max())
        torch.testing.assert_close(mine.double(), theirs, atol=rounding, rtol=0.0)


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_the_product_of_matrices_it_stands_for(case: Case) -> None:
    """Without rounding of the other steps: each of the four by itself."""
    given = numbers(case)
    turned = turned_filters(given.weight)
    cut = tiling(given.x, turned, case.margins)
    by_matrices = Tiling(cut.margins, cut.rows, cut.columns, cut.at_a_time)
    x, y = given.x.permute(0, 2, 3, 1), given.above.permute(0, 2, 3, 1)

    found = [each.tiles(x) for each in (cut, by_matrices)]
    torch.testing.assert_close(*found, atol=2e-5, rtol=1e-5)
    found = [each.tiles_of_pixels(y) for each in (cut, by_matrices)]
    torch.testing.assert_close(*found, atol=2e-5, rtol=1e-5)
    images = [torch.full_like(x, torch.nan) for _ in range(2)]
    outputs = [torch.full_like(y.contiguous(), torch.nan) for _ in range(2)]
    for each, image, output in zip((cut, by_matrices), images, outputs, strict=True):
        each.images(by_matrices.tiles(x), image)
        each.pixels(by_matrices.tiles_of_pixels(y), given.bias, output)
    torch.testing.assert_close(*images, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(*outputs, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("step", ["images", "pixels"])
def test_nothing_is_written_beyond_the_images(step: str) -> None:
    """Images that are a part of others, whose numbers around them stay."""
    case = CASES[1]
    given = numbers(case)
    cut = tiling(given.x, turned_filters(given.weight), case.margins)
    factors = cut.tiles(given.x.permute(0, 2, 3, 1))
    products = cut.tiles_of_pixels(given.above.permute(0, 2, 3, 1))
    rows, columns, maps = (*case.size, 32) if step == "images" else (3, 6, 16)
    whole = torch.full((5, rows + 2, columns + 2, maps + 32), 7.0)
    part = whole[1:-1, 1:-1, 1:-1, 16:-16]

    if step == "images":
        cut.images(factors, part)
    else:
        cut.pixels(products, None, part)

    assert not bool((part == 7.0).any())
    part.fill_(7.0)
    assert bool((whole == 7.0).all())


def test_several_threads_give_the_same_numbers() -> None:
    case = CASES[-1]
    given = numbers(case)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = in_tiles(case, given)[0]
        torch.set_num_threads(3)
        three = in_tiles(case, given)[0]
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(one, three)


def test_what_the_loops_cannot_take_is_left_to_torch() -> None:
    turned = torch.zeros(36, 16, 16)
    x = torch.zeros(1, 16, 4, 4).contiguous(memory_format=LAST)
    assert can_loop(x, turned)
    assert not can_loop(x.double(), turned)
    assert not can_loop(x.contiguous(), turned)
    assert not can_loop(x.to("meta"), turned)
    assert not can_loop(x, torch.zeros(36, 16, 24))
    assert (has_loops(32, 48), has_loops(24, 32)) == (True, False)
