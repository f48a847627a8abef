import re
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from engine.errors import LayerError, ShapeError
from engine.layers.convolution import Convolution, GroupConvolution
from engine.layers.dense import FullyConnected
from engine.layers.pooling import Pooling
from tests.engine.rows import DEFAULTS, EQUAL, built, convolve, line

FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]


def reference(
    image: np.ndarray, weight: np.ndarray, *, stride: int, dilation: int, sides: list[int]
) -> np.ndarray:
    """Return the sum over every window, cell by cell; sides are top, bottom, left, right."""
    padded = np.pad(image, [(0, 0), (sides[0], sides[1]), (sides[2], sides[3])])
    filters, _, height, width = weight.shape
    rows = (padded.shape[1] - (height - 1) * dilation - 1) // stride + 1
    columns = (padded.shape[2] - (width - 1) * dilation - 1) // stride + 1
    result = np.zeros((filters, rows, columns))
    for i, j in np.ndindex(rows, columns):
        for a, b in np.ndindex(height, width):
            cell = padded[:, i * stride + a * dilation, j * stride + b * dilation]
            result[:, i, j] += weight[:, :, a, b] @ cell
    return result


def test_dilation_leaves_gaps_in_the_filter() -> None:
    # F26: without gaps w0 x0 + w1 x1 + w2 x2, with a gap of one w0 x0 + w1 x2 + w2 x4
    assert line(FIVE, [2.0, 3.0, 4.0], padding=0)[0] == 2 * 1 + 3 * 2 + 4 * 3
    assert line(FIVE, [2.0, 3.0, 4.0], padding=0, dilation=2) == [2 * 1 + 3 * 3 + 4 * 5]


LENGTHS = st.integers(min_value=5, max_value=9)
SIDES = st.integers(min_value=0, max_value=2)


@given(
    size=st.tuples(LENGTHS, LENGTHS),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    sides=st.tuples(SIDES, SIDES, SIDES, SIDES),
)
def test_every_side_has_its_own_padding(
    size: tuple[int, int], stride: int, dilation: int, sides: tuple[int, int, int, int]
) -> None:
    names = ("padding_top", "padding_bottom", "padding_left", "padding_right")
    layer = Convolution.model_validate(
        {
            "n_filters": 3,
            "stride": stride,
            "dilation": dilation,
            "act": "IDENTITY",
            **dict(zip(names, sides, strict=True)),
        }
    )
    module = built(layer, (2, *size))
    image = np.random.default_rng(sum(size)).normal(size=(2, *size))

    result = module(torch.tensor(image, dtype=torch.float32)[None])[0].detach().numpy()

    weight = module.get_parameter("weight").detach().double().numpy()
    expected = reference(image, weight, stride=stride, dilation=dilation, sides=list(sides))
    assert result.shape == layer.infer([(2, *size)], DEFAULTS)
    np.testing.assert_allclose(result, expected, atol=1e-5)


@given(size=st.integers(1, 9), kernel=st.integers(1, 4), stride=st.integers(1, 3))
def test_automatic_padding_counts_the_gaps(size: int, kernel: int, stride: int) -> None:
    # P1 to P3 with a filter that reaches over (kernel - 1) * 2 + 1 pixels
    options = {"n_filters": 1, "width": kernel, "stride": stride}
    dilated = Convolution.model_validate({**options, "dilation": 2})
    wide = Convolution.model_validate({**options, "width": (kernel - 1) * 2 + 1})
    shape = (1, size, size)

    for equal in (DEFAULTS, EQUAL):
        assert dilated.axes([shape], equal) == wide.axes([shape], equal)
        assert built(dilated, shape, options=equal)(torch.zeros(1, *shape)).shape[1:] == (
            dilated.infer([shape], equal)
        )


def test_gaps_may_differ_along_the_axes() -> None:
    # height 9 - 2 * 2, width 9 - 2 * 3
    layer = Convolution(n_filters=1, padding=0, dilation_vertical=2, dilation_horizontal=3)

    assert layer.infer([(1, 9, 9)], DEFAULTS) == (1, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"padding": 1, "padding_top": 0},
            "options 'padding' and 'paddingTop' got 1 and 0, expected only one of them",
        ),
        (
            {"padding_width": 2, "padding_right": 1},
            "options 'paddingWidth' and 'paddingRight' got 2 and 1, expected only one of them",
        ),
        (
            {"padding_height": 2, "padding_bottom": 3},
            "options 'paddingHeight' and 'paddingBottom' got 2 and 3, expected only one of them",
        ),
    ],
)
def test_padding_of_a_side_excludes_that_of_its_axis(options: dict[str, int], message: str) -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        Convolution.model_validate({"n_filters": 1, **options})


def test_padding_of_one_axis_and_of_the_other_ones_sides_go_together() -> None:
    layer = Convolution(n_filters=1, width=3, padding_height=1, padding_left=2)

    assert layer.infer([(1, 5, 5)], DEFAULTS) == (1, 5, 5)
    assert layer.sides() == (1, (2, 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"padding_left": 3},
            (
                "got padding 3 with a window of 3, expected less than 3: the first window would "
                "lie outside the input"
            ),
        ),
        (
            {"width": 9, "padding_left": 1, "padding_right": 2},
            "got a window of 9 on 5 pixels with padding 1 and 2, expected at most 8",
        ),
    ],
)
def test_sides_that_do_not_fit_are_refused(options: dict[str, int], message: str) -> None:
    layer = Convolution.model_validate({"n_filters": 1, **options})
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer.axes([(1, 5, 5)], DEFAULTS)


@given(maps=st.integers(1, 5), kernel=st.integers(1, 4), filters=st.integers(1, 6), size=LENGTHS)
def test_a_layer_of_k_filters_has_k_biases_and_gives_k_maps(
    maps: int, kernel: int, filters: int, size: int
) -> None:
    # F22: F F D1 weights a filter, K filters; the output is K deep
    layer = Convolution(n_filters=filters, width=kernel)
    source = (maps, size, size)
    weights, biases = layer.tensors([source], DEFAULTS)

    assert (weights.size, biases.size) == (kernel * kernel * maps * filters, filters)
    shape = layer.infer([source], DEFAULTS)
    assert shape is not None
    assert shape[0] == filters


@given(
    size=st.integers(1, 40), kernel=st.integers(1, 9), padding=st.integers(0, 8),
    stride=st.integers(1, 5),
)  # fmt: skip
def test_what_does_not_fit_is_rounded_down(
    size: int, kernel: int, padding: int, stride: int
) -> None:
    # F99: floor((n + 2p - f) / s) + 1
    if padding >= kernel or size + 2 * padding < kernel:
        return
    layer = Convolution(n_filters=1, width=kernel, padding=padding, stride=stride)
    side = (size + 2 * padding - kernel) // stride + 1

    assert layer.infer([(1, size, size)], DEFAULTS) == (1, side, side)


def test_the_flipped_filter_makes_it_a_true_convolution() -> None:
    # F62: o[n] = sum over u of f[u] g[n - u], here by numpy
    pixels, filter_ = np.array([2.0, 4, 6, 1, 5, 3, 2]), np.array([2.0, -1, 0.1])

    result = line(pixels.tolist(), filter_[::-1].tolist(), padding=0)

    np.testing.assert_allclose(result, np.convolve(pixels, filter_, mode="valid"), atol=1e-6)


def test_in_two_dimensions_both_axes_are_flipped() -> None:
    # F62: o[m, n] = sum over u, v of f[u, v] g[m - u, n - v]
    image, filter_ = torch.arange(16.0).view(4, 4) ** 2, torch.arange(1.0, 5.0).view(2, 2)
    expected = [
        [
            sum(float(filter_[u, v] * image[m - u, n - v]) for u in (0, 1) for v in (0, 1))
            for n in (1, 2, 3)
        ]
        for m in (1, 2, 3)
    ]

    assert convolve(image, filter_.flip(0, 1), padding=0).tolist() == expected


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_copies() -> None:
    # F61: one weight per place, as an unshared layer would have, all starting equal
    image = torch.tensor([2.0, 4, 6, 1, 5])
    module = built(
        Convolution(n_filters=1, width=2, height=1, padding=0, act="TANH", include_bias=False),
        (1, 1, 5),
    )
    weight = module.get_parameter("weight")
    copies = weight.detach().view(1, 2).repeat(4, 1).requires_grad_()

    ours = torch.autograd.grad(module(image.view(1, 1, 1, 5)).sum(), weight)[0]
    theirs = torch.autograd.grad(torch.tanh((image.unfold(0, 2, 1) * copies).sum(1)).sum(), copies)

    torch.testing.assert_close(ours.view(2), theirs[0].sum(0))


def test_a_bottleneck_saves_nine_tenths_of_the_multiplications() -> None:
    # F106 to F108: 120,422,400 against 12,443,648, a factor of 9.677
    direct = Convolution(n_filters=32, width=5).multiply_adds([(192, 28, 28)], DEFAULTS)
    squeeze = Convolution(n_filters=16, width=1).multiply_adds([(192, 28, 28)], DEFAULTS)
    expand = Convolution(n_filters=32, width=5).multiply_adds([(16, 28, 28)], DEFAULTS)

    assert (direct, squeeze + expand) == (120_422_400, 12_443_648)
    assert direct / (squeeze + expand) == pytest.approx(9.677, abs=5e-4)


@given(size=st.tuples(LENGTHS, LENGTHS), kernel=st.integers(1, 4), filters=st.integers(1, 4))
def test_multiplications_are_those_of_every_map_times_the_maps(
    size: tuple[int, int], kernel: int, filters: int
) -> None:
    # F84, exact: (M - m + 1)(N - n + 1) m n K for one map of the output, times their number
    one_map = (size[0] - kernel + 1) * (size[1] - kernel + 1) * kernel * kernel * 3
    layer = Convolution(n_filters=filters, width=kernel, padding=0)

    assert layer.multiply_adds([(3, *size)], DEFAULTS) == one_map * filters


def test_a_matrix_costs_a_multiplication_per_weight() -> None:
    # F84: K_l K_(l-1)
    assert FullyConnected(n=10).multiply_adds([(500,)], DEFAULTS) == 5000


def test_a_pool_of_four_shrinks_the_signal_sixteen_times() -> None:
    # F85
    shape = Pooling(width=4).infer([(7, 32, 48)], DEFAULTS)

    assert prod((7, 32, 48)) / prod(shape or ()) == 16


def test_a_bias_after_maximum_pooling_equals_one_before() -> None:
    # F75: conv, pool, bias, tanh as in the Theano tutorial
    layer = Convolution(n_filters=3, width=5, padding=0, act="TANH", init_bias=0.25)
    image = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    convolution = built(layer, (1, 12, 12))
    weight = convolution.get_parameter("weight")

    ours = Pooling().build([(3, 8, 8)], DEFAULTS)(convolution(image))
    theirs = torch.tanh(functional.max_pool2d(functional.conv2d(image, weight), 2) + 0.25)

    torch.testing.assert_close(ours, theirs)


def test_groups_see_only_their_own_maps() -> None:
    # two groups of 2 of 4 maps, 3 of 6 filters each
    layer = GroupConvolution(n_filters=6, n_groups=2, act="IDENTITY", init_bias=0.5)
    shape = (4, 5, 6)
    module = built(layer, shape)
    image = np.random.default_rng(7).normal(size=shape)

    result = module(torch.tensor(image, dtype=torch.float32)[None])[0].detach().numpy()

    weight = module.get_parameter("weight").detach().double().numpy()
    halves = [
        reference(image[2 * g : 2 * g + 2], weight[3 * g : 3 * g + 3], stride=1, dilation=1,
                  sides=[1, 1, 1, 1])
        for g in (0, 1)
    ]  # fmt: skip
    np.testing.assert_allclose(result, np.concatenate(halves) + 0.5, atol=1e-5)


def test_a_depthwise_convolution_filters_every_map_by_itself() -> None:
    # by hand: map 0 times 2, map 1 times -1
    layer = GroupConvolution(n_filters=2, n_groups=2, width=1, act="IDENTITY")
    module = built(layer, (2, 1, 2))
    module.get_parameter("weight").detach().copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))

    result = module(torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]))

    assert result.tolist() == [[[[2.0, 4.0]], [[-3.0, -4.0]]]]


def test_one_group_is_a_plain_convolution() -> None:
    shape = (3, 6, 6)
    grouped, plain = GroupConvolution(n_filters=4), Convolution(n_filters=4)
    image = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))

    torch.testing.assert_close(built(grouped, shape)(image), built(plain, shape)(image))
    assert grouped.tensors([shape], DEFAULTS) == plain.tensors([shape], DEFAULTS)


def test_groups_divide_weights_and_multiplications() -> None:
    # 2.4, 2.5: 3 * 3 * 8 * 16 / 4 weights, 16 biases; 36 pixels times the weights
    layer = GroupConvolution(n_filters=16, n_groups=4)
    weights, biases = layer.tensors([(8, 6, 6)], DEFAULTS)

    assert (weights.shape, weights.size) == ((16, 2, 3, 3), 288)
    assert biases.shape == (16,)
    assert layer.multiply_adds([(8, 6, 6)], DEFAULTS) == 36 * 288


def test_a_value_enters_the_outputs_of_its_own_group_only() -> None:
    # fan-in 2 maps of 3x3, fan-out 4 filters of 3x3
    layer = GroupConvolution(n_filters=16, n_groups=4)

    assert layer.fans((16, 2, 3, 3)) == (18, 36)


def test_groups_must_share_the_filters_equally() -> None:
    message = (
        "options 'nFilters' and 'nGroups' got 6 and 4, expected a number of filters that the "
        "groups can share equally"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        GroupConvolution(n_filters=6, n_groups=4)


def test_groups_must_share_the_maps_equally() -> None:
    message = "got 3 maps, expected a number that 2 groups can share equally"
    with pytest.raises(ShapeError, match=f"^{message}$"):
        GroupConvolution(n_filters=4, n_groups=2).infer([(3, 5, 5)], DEFAULTS)
