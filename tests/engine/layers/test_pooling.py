import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LayerError
from engine.layers.base import BuildOptions
from engine.layers.pooling import Pooling
from engine.modules.pooling import Pooling2d
from tests.engine.rows import DEFAULTS, EQUAL, image_row

SEVEN = [2.0, 4.0, 6.0, 1.0, 5.0, 3.0, 2.0]


def pool(kind: str, window: int, stride: int, pixels: list[float], **options: int) -> list[float]:
    """Return what pooling makes of one row of pixels."""
    layer = Pooling.model_validate(
        {"pool": kind, "width": window, "height": 1, "stride_horizontal": stride, **options}
    )
    module = layer.build([(1, 1, len(pixels))], DEFAULTS)
    return [float(value) for value in module(image_row(pixels)).flatten()]


# the vectors Q1 to Q7 (F57: Q1, Q2): kind, window, stride, expected
VECTORS = {
    "Q1": ("MAX", 3, 1, [6, 6, 6, 5, 5, 3, 2]),
    "Q2": ("MEAN", 3, 1, [4, 11 / 3, 4, 3, 10 / 3, 2.5, 2]),
    "Q3": ("MIN", 3, 1, [2, 1, 1, 1, 2, 2, 2]),
    "Q4": ("MEDIAN", 3, 1, [4, 4, 5, 3, 3, 2.5, 2]),
    "Q5 maximum": ("MAX", 3, 2, [6, 6, 5, 2]),
    "Q5 mean": ("MEAN", 3, 2, [4, 4, 10 / 3, 2]),
    "Q6 maximum": ("MAX", 3, 3, [6, 5, 2]),
    "Q6 mean": ("MEAN", 3, 3, [4, 3, 2]),
    "Q7 maximum": ("MAX", 2, 2, [4, 6, 5, 2]),
    "Q7 mean": ("MEAN", 2, 2, [3, 3.5, 4, 2]),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_worked_rows_of_the_pooling_rules_come_out(name: str) -> None:
    kind, window, stride, expected = VECTORS[name]

    assert pool(kind, window, stride, SEVEN) == pytest.approx(expected)


def test_a_window_of_two_halves_an_image_of_four() -> None:
    # Q8, F54; by hand: the largest of each quarter
    image = torch.tensor([[[[1.0, 2, 5, 6], [3, 4, 8, 7], [9, 12, 16, 13], [10, 11, 14, 15]]]])
    module = Pooling().build([(1, 4, 4)], DEFAULTS)

    assert module(image).tolist() == [[[[4.0, 8.0], [12.0, 16.0]]]]


def test_padding_of_one_axis_leaves_the_other_automatic() -> None:
    # Q9, F57: width floor((28 - 2 + 2) / 2) + 1 = 15, height 14
    layer = Pooling(width=2, height=2, stride=2, padding_width=1)

    assert layer.infer([(20, 28, 28)], DEFAULTS) == (20, 14, 15)


def theano_images() -> np.ndarray:
    """Return the images of the Theano tutorial, F69: numpy's legacy generator with seed 1."""
    return np.random.RandomState(1).rand(3, 2, 5, 5)


def test_the_images_of_the_tutorial_are_regenerated() -> None:
    # F69; F72 and F73 as printed, to nine digits and to eight places
    images = theano_images()
    first = [
        [4.17022005e-01, 7.20324493e-01, 1.14374817e-04, 3.02332573e-01, 1.46755891e-01],
        [9.23385948e-02, 1.86260211e-01, 3.45560727e-01, 3.96767474e-01, 5.38816734e-01],
        [4.19194514e-01, 6.85219500e-01, 2.04452250e-01, 8.78117436e-01, 2.73875932e-02],
        [6.70467510e-01, 4.17304802e-01, 5.58689828e-01, 1.40386939e-01, 1.98101489e-01],
        [8.00744569e-01, 9.68261576e-01, 3.13424178e-01, 6.92322616e-01, 8.76389152e-01],
    ]
    second = [
        [0.01936696, 0.67883553, 0.21162812, 0.26554666, 0.49157316],
        [0.05336255, 0.57411761, 0.14672857, 0.58930554, 0.69975836],
        [0.10233443, 0.41405599, 0.69440016, 0.41417927, 0.04995346],
        [0.53589641, 0.66379465, 0.51488911, 0.94459476, 0.58655504],
        [0.90340192, 0.1374747, 0.13927635, 0.80739129, 0.39767684],
    ]

    np.testing.assert_allclose(images[0, 0], first, rtol=5e-9)
    np.testing.assert_allclose(images[1, 0], second, rtol=0, atol=5e-9)
    assert images.sum() == pytest.approx(72.15205094727087, abs=1e-9)


def test_pooling_without_padding_ignores_the_border() -> None:
    # F70
    module = Pooling(padding=0).build([(2, 5, 5)], DEFAULTS)
    result = module(torch.tensor(theano_images()))

    expected = [[0.72032449, 0.39676747], [0.6852195, 0.87811744]]
    np.testing.assert_allclose(result[0, 0].numpy(), expected, atol=5e-9)


def test_automatic_pooling_keeps_the_border() -> None:
    # F71
    module = Pooling().build([(2, 5, 5)], DEFAULTS)
    result = module(torch.tensor(theano_images()))

    expected = [
        [0.67883553, 0.58930554, 0.69975836],
        [0.66379465, 0.94459476, 0.58655504],
        [0.90340192, 0.80739129, 0.39767684],
    ]
    np.testing.assert_allclose(result[1, 0].numpy(), expected, atol=5e-9)


REDUCE: dict[str, Callable[[np.ndarray], float]] = {
    "MAX": np.max,
    "MIN": np.min,
    "MEAN": np.mean,
    "MEDIAN": np.median,
    "FIXED": lambda cells: cells[0, 0],
    "L2NORM": lambda cells: float(np.linalg.norm(cells)),
}


def windows(size: int, window: int, stride: int, padding: int | None) -> list[slice]:
    """Return the live part of every window, straight from rules P8, P10 and A6."""
    if padding is None:
        count, padding = -(-size // stride), 0
    else:
        count = (size - window + 2 * padding) // stride + 1
    starts = [i * stride - padding for i in range(count)]
    return [slice(max(start, 0), min(start + window, size)) for start in starts]


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    window=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.one_of(st.none(), st.integers(0, 4)),
    kind=st.sampled_from(sorted(REDUCE)),
)
def test_every_window_is_reduced_over_its_live_cells(
    size: tuple[int, int], window: int, stride: int, padding: int | None, kind: str
) -> None:
    fits = padding is None or (padding < window and min(size) + 2 * padding >= window)
    if not fits:
        return
    options = {"width": window, "stride": stride, "padding": padding, "pool": kind}
    layer = Pooling.model_validate(options)
    image = np.random.default_rng(sum(size)).normal(size=(2, *size)) - 3.0
    rows, columns = (windows(axis, window, stride, padding) for axis in size)
    expected = [[[REDUCE[kind](m[r, c]) for c in columns] for r in rows] for m in image]

    result = layer.build([(2, *size)], DEFAULTS)(torch.tensor(image)[None])[0]

    assert result.shape == layer.infer([(2, *size)], DEFAULTS)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)


def test_padded_cells_are_dead_not_zero() -> None:
    # A6: windows of 3 over [dead -4 -2 -6 dead]: {-4 -2}, {-4 -2 -6}, {-2 -6}
    pixels = [-4.0, -2.0, -6.0]

    assert pool("MAX", 3, 1, pixels, padding_width=1) == [-2, -2, -2]
    assert pool("MEAN", 3, 1, pixels, padding_width=1) == [-3, -4, -4]


@pytest.mark.parametrize(
    ("kind", "expected"), [("MAX", 9.0), ("MIN", -1.0), ("MEAN", 3.0), ("MEDIAN", 2.0)]
)
def test_a_window_of_nothing_covers_the_whole_map(kind: str, expected: float) -> None:
    # P13: the map -1 2 3 / 1 9 2 / 9 0 2, sum 27, sorted -1 0 1 2 2 2 3 9 9
    layer = Pooling.model_validate({"width": 0, "height": 0, "pool": kind, "stride": 1})
    image = torch.tensor([[[[-1.0, 2, 3], [1, 9, 2], [9, 0, 2]]]])

    assert layer.infer([(1, 3, 3)], DEFAULTS) == (1, 1, 1)
    assert layer.build([(1, 3, 3)], DEFAULTS)(image).tolist() == [[[[expected]]]]


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({}, (12, 32, 32), (12, 16, 16)),  # F6
        ({}, (64, 224, 224), (64, 112, 112)),  # F30
        ({"width": 3, "stride": 2, "padding": 0}, (1, 7, 7), (1, 3, 3)),  # F28
        ({"width": 3}, (1, 7, 7), (1, 3, 3)),  # the stride is the window
        ({"height": 4}, (1, 8, 8), (1, 2, 2)),
        ({"stride_vertical": 1}, (1, 8, 8), (1, 8, 4)),
        ({"stride_horizontal": 1}, (1, 8, 8), (1, 4, 8)),
    ],
)
def test_shapes_are_those_of_the_literature(
    options: dict[str, int], shape: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    assert Pooling.model_validate(options).infer([shape], DEFAULTS) == expected


@given(size=st.integers(1, 30), window=st.integers(1, 6), stride=st.integers(1, 6))
def test_pooling_keeps_the_depth_and_has_no_parameters(size: int, window: int, stride: int) -> None:
    # F28: (W - F) / S + 1
    if window > size:
        return
    layer = Pooling(width=window, stride=stride, padding=0)
    side = (size - window) // stride + 1

    assert layer.infer([(5, size, size)], DEFAULTS) == (5, side, side)
    assert layer.tensors([(5, size, size)], DEFAULTS) == ()


def test_a_pool_of_two_discards_three_quarters() -> None:
    # F29
    image = torch.zeros(1, 3, 8, 8)

    assert 1 - Pooling().build([(3, 8, 8)], DEFAULTS)(image).numel() / image.numel() == 0.75


@pytest.mark.parametrize(("pools", "side"), [(4, 14), (5, 7)])
def test_five_pools_shrink_224_to_7_and_four_to_14(pools: int, side: int) -> None:
    # F33
    shape = (1, 224, 224)
    for _ in range(pools):
        found = Pooling().infer([shape], DEFAULTS)
        assert found is not None
        shape = (found[0], found[1], found[2])

    assert shape == (1, side, side)


def test_the_gradient_goes_to_the_largest_cell_only() -> None:
    # F31
    image = image_row(SEVEN).requires_grad_()
    module = Pooling(width=7, height=1).build([(1, 1, 7)], DEFAULTS)

    module(image).sum().backward()

    assert image.grad is not None
    assert image.grad.flatten().tolist() == [0, 0, 1, 0, 0, 0, 0]


def test_equal_padding_leaves_pooling_alone() -> None:
    # P10, P12: pooling creates no cells that could be evened out
    layer = Pooling(width=3, stride=1)

    assert layer.infer([(1, 4, 4)], EQUAL) == (1, 4, 4)


def test_windows_that_torch_cuts_alike_are_left_to_torch() -> None:
    halves = Pooling(width=2).build([(1, 7, 7)], DEFAULTS)
    overlapping = Pooling(width=3, stride=1).build([(1, 7, 7)], DEFAULTS)

    assert isinstance(halves, Pooling2d)
    assert isinstance(overlapping, Pooling2d)
    assert (halves.outer, overlapping.outer) == (None, [0, 2, 0, 2])


def test_outputs_are_dropped_with_the_layers_rate() -> None:
    options = BuildOptions(dropout_type="INVERTED")
    module = Pooling(width=1, dropout=0.5).build([(1, 32, 32)], options)

    assert sorted(module(torch.ones(1, 1, 32, 32)).unique().tolist()) == [0.0, 2.0]


def test_fixed_pooling_takes_the_first_live_cell_of_a_window() -> None:
    # windows of 3 with a dead cell before: {dead 2 4} {6 1 5} {3 2}; without: {2 4 6} {1 5 3} {2}
    assert pool("FIXED", 3, 3, SEVEN, padding_width=1) == [2, 6, 3]
    assert pool("FIXED", 3, 3, SEVEN) == [2, 1, 2]


def test_the_norm_of_a_window_is_that_of_its_live_cells() -> None:
    # windows of 2: √(9 + 16), √(25 + 144), √(64)
    pixels = [3.0, -4.0, 5.0, 12.0, -8.0]

    assert pool("L2NORM", 2, 2, pixels) == pytest.approx([5, 13, 8])


def test_the_norm_of_zeros_has_no_slope() -> None:
    image = torch.zeros(1, 1, 2, 2).requires_grad_()

    result = Pooling(pool="L2NORM").build([(1, 2, 2)], DEFAULTS)(image)
    result.sum().backward()

    assert result.item() == 0.0
    assert image.grad is not None
    assert image.grad.flatten().tolist() == [0, 0, 0, 0]


def drawing(seed: int, **options: int) -> Pooling2d:
    """Return random pooling of windows of 3 in a row, whose draws begin at a seed."""
    layer = Pooling.model_validate({"pool": "RANDOM", "width": 3, "height": 1, **options})
    module = layer.build([(1, 1, 7)], DEFAULTS)
    assert isinstance(module, Pooling2d)
    assert module.draw is not None
    module.draw.generator = torch.Generator().manual_seed(seed)
    return module


def test_random_pooling_takes_every_live_cell_equally_often_in_training() -> None:
    # windows of [10 20 30 40 50 60 70] with a dead cell before: {10 20} {30 40 50} {60 70}
    rows = image_row([10.0, 20, 30, 40, 50, 60, 70]).expand(6000, 3, 1, 7)

    drawn = drawing(1, padding_width=1)(rows)

    assert drawn.shape == (6000, 3, 1, 3)
    for window, cells in enumerate([[10, 20], [30, 40, 50], [60, 70]]):
        values, counts = drawn[..., window].unique(return_counts=True)
        assert values.tolist() == cells
        share = 18_000 / len(cells)
        # five deviations of a binomial count
        assert (counts - share).abs().max().item() < 5 * (share * (1 - 1 / len(cells))) ** 0.5


def test_random_pooling_draws_from_its_generator() -> None:
    rows = torch.rand(4, 3, 1, 7, generator=torch.Generator().manual_seed(3))

    assert torch.equal(drawing(1)(rows), drawing(1)(rows))
    assert not torch.equal(drawing(1)(rows), drawing(2)(rows))


def test_random_pooling_scores_with_the_mean_of_live_cells() -> None:
    # {2 4 6} {1 5 3} {2}
    result = drawing(1).eval()(image_row(SEVEN)).flatten().tolist()

    assert result == pytest.approx([4, 3, 2])


def test_half_a_whole_window_is_refused() -> None:
    message = (
        "options 'width' and 'height' got 0 and 2, expected both 0 for the whole map, or neither"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        Pooling(width=0, height=2)


def test_a_whole_window_takes_no_padding() -> None:
    message = "option 'padding' got 1, expected none with a window of the whole map"
    with pytest.raises(LayerError, match=f"^{message}$"):
        Pooling(width=0, height=0, padding_width=1)


def test_padding_excludes_padding_of_one_axis() -> None:
    message = "options 'padding' and 'paddingHeight' got 0 and 0, expected only one of them"
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        Pooling(padding=0, padding_height=0)
