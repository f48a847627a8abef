import re
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from engine.errors import LayerError, ShapeError
from engine.layers.base import BuildOptions
from engine.layers.convolution import Convolution
from tests.engine.layers.user_text import NO_NAME, NO_TEXT
from tests.engine.rows import DEFAULTS, EQUAL, built, convolve, line

SEVEN = [2.0, 4.0, 6.0, 1.0, 5.0, 3.0, 2.0]
THREE = [2.0, -1.0, 0.1]
FOUR = [2.0, -1.0, 0.1, 5.0]
FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]

# the vectors C1 to C14, F57 the first ten of them:
# input, filter, stride, padding given or None, forceEqualPadding, expected
VECTORS = {
    "C1": (SEVEN, THREE, 1, 0, False, [0.6, 2.1, 11.5, -2.7, 7.2]),
    "C2": (SEVEN, THREE, 1, None, False, [-1.6, 0.6, 2.1, 11.5, -2.7, 7.2, 4.0]),
    "C3": (SEVEN, FOUR, 1, None, False, [28.4, 5.6, 27.1, 26.5, 7.3, 7.2, 4.0]),
    "C4": (SEVEN, FOUR, 1, None, True, [20.2, 28.4, 5.6, 27.1, 26.5, 7.3, 7.2, 4.0]),
    "C5": (FIVE, [1.0, 2.0], 1, None, False, [5, 8, 11, 14, 5]),
    "C6": (FIVE, [1.0, 2.0], 1, 0, False, [5, 8, 11, 14]),
    "C7": (FIVE, [1.0, 2.0], 1, None, True, [2, 5, 8, 11, 14, 5]),
    "C8": (FIVE[:4], [1.0, 2.0], 1, None, False, [5, 8, 11, 4]),
    "C9": (FIVE[:4], [1.0, 2.0], 1, 0, False, [5, 8, 11]),
    "C10": (FIVE[:4], [1.0, 2.0], 1, None, True, [2, 5, 8, 11, 4]),
    "C11": (SEVEN, THREE, 2, None, False, [-1.6, 2.1, -2.7, 4.0]),
    "C12": (SEVEN, THREE, 3, None, False, [-1.6, 11.5, 4.0]),
    "C13": (SEVEN, FOUR, 2, None, False, [28.4, 27.1, 7.3, 4.0]),
    "C14": (SEVEN, FOUR, 3, None, False, [28.4, 26.5, 4.0]),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_worked_rows_of_the_padding_rules_come_out(name: str) -> None:
    pixels, weights, stride, padding, equal, expected = VECTORS[name]
    given_padding = {} if padding is None else {"padding_width": padding}
    options = EQUAL if equal else DEFAULTS

    result = line(pixels, weights, stride_horizontal=stride, options=options, **given_padding)

    assert result == pytest.approx(expected, abs=1e-5)


SIX = torch.tensor(
    [
        [3.0, 1, 1, 2, 8, 4],
        [1, 0, 7, 3, 2, 6],
        [2, 3, 5, 1, 1, 3],
        [1, 4, 1, 2, 6, 5],
        [3, 2, 1, 3, 7, 2],
        [9, 2, 6, 2, 5, 1],
    ]
)
EDGES = torch.tensor([[1.0, 0.0, -1.0]] * 3)


def test_an_unpadded_image_of_six_gives_four() -> None:
    # 3.2, second table, valid; F98
    expected = [[-7, -2, 2, -7], [-9, 1, 4, -8], [-1, 3, -7, -4], [5, 1, -10, -1]]

    assert convolve(SIX, EDGES, padding=0).tolist() == expected


def test_automatic_padding_of_an_image_of_six_gives_six() -> None:
    # 3.2, second table, same; F109
    expected = [
        [-1, -4, -4, -2, -5, 10],
        [-4, -7, -2, 2, -7, 11],
        [-7, -9, 1, 4, -8, 9],
        [-9, -1, 3, -7, -4, 14],
        [-8, 5, 1, -10, -1, 18],
        [-4, 5, -1, -5, 2, 12],
    ]

    assert convolve(SIX, EDGES).tolist() == expected
    assert convolve(SIX, EDGES, padding=1).tolist() == expected


def reference(
    image: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, sides: list[int]
) -> np.ndarray:
    """Return the sum over every window, by plain loops; sides are top, bottom, left, right."""
    padded = np.pad(image, [(0, 0), (sides[0], sides[1]), (sides[2], sides[3])])
    filters, _, kernel_height, kernel_width = weight.shape
    rows = (padded.shape[1] - kernel_height) // stride + 1
    columns = (padded.shape[2] - kernel_width) // stride + 1
    result = np.empty((filters, rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            window = padded[:, top : top + kernel_height, left : left + kernel_width]
            result[:, i, j] = (weight * window).sum((1, 2, 3)) + bias
    return result


LENGTHS = st.integers(min_value=1, max_value=9)


@given(height=LENGTHS, width=LENGTHS, kernel=st.integers(1, 5), stride=st.integers(1, 4))
def test_a_convolution_equals_the_sum_over_its_windows(
    height: int, width: int, kernel: int, stride: int
) -> None:
    shape = (2, height, width)
    layer = Convolution(n_filters=3, width=kernel, stride=stride, act="IDENTITY", init_bias=0.5)
    module = built(layer, shape)
    image = np.random.default_rng(height * width).normal(size=shape)
    rows, columns = layer.axes([shape], DEFAULTS)
    sides = [rows.before, rows.after, columns.before, columns.after]

    result = module(torch.tensor(image, dtype=torch.float32)[None])[0].detach().numpy()

    weight = module.get_parameter("weight").detach().double().numpy()
    expected = reference(image, weight, np.full(3, 0.5), stride, sides)
    assert result.shape == layer.infer([shape], DEFAULTS)
    np.testing.assert_allclose(result, expected, atol=1e-5)


@given(height=LENGTHS, width=LENGTHS, kernel=st.integers(1, 5), stride=st.integers(1, 4))
def test_equal_padding_changes_the_module_as_it_changes_the_plan(
    height: int, width: int, kernel: int, stride: int
) -> None:
    shape = (1, height, width)
    layer = Convolution(n_filters=1, width=kernel, stride=stride)

    result = built(layer, shape, options=EQUAL)(torch.zeros(1, *shape))

    assert result.shape[1:] == layer.infer([shape], EQUAL)


def test_uneven_padding_is_the_only_one_that_is_copied() -> None:
    even = Convolution(n_filters=1, width=3).build([(1, 8, 8)], DEFAULTS)
    uneven = Convolution(n_filters=1, width=4, height=3).build([(1, 8, 8)], DEFAULTS)

    assert getattr(even, "padding").explicit is None  # noqa: B009 - nn.Module hides its type
    assert getattr(uneven, "padding").explicit == [1, 2, 0, 0]  # noqa: B009
    assert getattr(uneven, "padding").operator == (1, 0)  # noqa: B009


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({"n_filters": 6, "width": 5, "padding": 0}, (3, 32, 32), (6, 28, 28)),  # F1
        ({"n_filters": 16, "width": 5, "padding": 0}, (6, 14, 14), (16, 10, 10)),  # F2
        ({"n_filters": 12}, (3, 32, 32), (12, 32, 32)),  # F6
        ({"n_filters": 96, "width": 11, "stride": 4, "padding": 0}, (3, 227, 227), (96, 55, 55)),
        ({"n_filters": 2, "stride": 2, "padding": 1}, (3, 5, 5), (2, 3, 3)),  # F23
        ({"n_filters": 2, "width": 9, "padding": 0}, (3, 120, 160), (2, 112, 152)),  # F63
        ({"n_filters": 2, "width": 9, "padding": 0}, (3, 639, 516), (2, 631, 508)),  # F66
        ({"n_filters": 7, "width": 1}, (32, 6, 6), (7, 6, 6)),  # F105
        ({"n_filters": 2, "stride_horizontal": 2}, (1, 8, 8), (2, 8, 4)),
        ({"n_filters": 2, "stride": 2, "stride_vertical": 1}, (1, 8, 8), (2, 8, 4)),
        ({"n_filters": 2, "width": 3, "padding_width": 0}, (1, 8, 8), (2, 8, 6)),  # P6
        ({"n_filters": 2, "width": 3, "padding_height": 0}, (1, 8, 8), (2, 6, 8)),  # P6
        ({"n_filters": 2, "height": 5, "padding": 0}, (1, 8, 8), (2, 4, 4)),
    ],
)
def test_shapes_are_those_of_the_literature(
    options: dict[str, int], shape: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    assert Convolution.model_validate(options).infer([shape], DEFAULTS) == expected


@pytest.mark.parametrize(
    ("options", "shape", "weights", "biases"),
    [
        ({"n_filters": 6, "width": 5}, (3, 32, 32), 450, 6),  # F1
        ({"n_filters": 16, "width": 5}, (6, 14, 14), 2_400, 16),  # F2
        ({"n_filters": 1, "width": 5}, (3, 32, 32), 75, 1),  # F7
        ({"n_filters": 1}, (20, 16, 16), 180, 1),  # F8
        ({"n_filters": 96, "width": 11, "stride": 4}, (3, 227, 227), 34_848, 96),  # F18
        ({"n_filters": 1}, (3, 9, 9), 27, 1),  # F100
        ({"n_filters": 10}, (3, 9, 9), 270, 10),  # F101: 28 each, 280 in all
        ({"n_filters": 10}, (3, 500, 500), 270, 10),  # F102
        ({"n_filters": 4, "width": 1}, (32, 6, 6), 128, 4),  # F105: 32 products each
    ],
)
def test_parameter_counts_are_those_of_the_literature(
    options: dict[str, int], shape: tuple[int, int, int], weights: int, biases: int
) -> None:
    tensors = Convolution.model_validate(options).tensors([shape], DEFAULTS)

    assert [(spec.part, spec.size) for spec in tensors] == [
        ("weights", weights),
        ("biases", biases),
    ]


def test_alexnet_without_sharing_would_have_a_hundred_million_parameters() -> None:
    # F15, F16, F17: 290,400 neurons of 363 weights and a bias
    layer = Convolution(n_filters=96, width=11, stride=4, padding=0)
    shape = layer.infer([(3, 227, 227)], DEFAULTS)
    weight = layer.weight_shape([(3, 227, 227)])

    assert shape is not None
    assert weight is not None
    neurons, inputs = prod(shape), prod(weight[1:])
    assert (neurons, inputs, neurons * (inputs + 1)) == (290_400, 363, 105_705_600)


def test_three_small_filters_cost_less_than_one_large_one() -> None:
    # F38: 27 C² against 49 C² weights for C = 64
    shape = (64, 14, 14)
    small = Convolution(n_filters=64).tensors([shape], DEFAULTS)[0].size
    large = Convolution(n_filters=64, width=7).tensors([shape], DEFAULTS)[0].size

    assert (3 * small, large) == (110_592, 200_704)


def test_a_bottleneck_saves_multiplications() -> None:
    # F106, F107: 5x5 on 28x28x192 to 32 maps, with and without 16 maps of 1x1 before
    direct = Convolution(n_filters=32, width=5).multiply_adds([(192, 28, 28)], DEFAULTS)
    squeeze = Convolution(n_filters=16, width=1).multiply_adds([(192, 28, 28)], DEFAULTS)
    expand = Convolution(n_filters=32, width=5).multiply_adds([(16, 28, 28)], DEFAULTS)

    assert (direct, squeeze, expand) == (120_422_400, 2_408_448, 10_035_200)


def test_the_filter_is_not_flipped() -> None:
    # P14, F62: true convolution with the flipped filter is what the layer computes
    assert line(FIVE, [1.0, 0.0, 0.0], padding=0) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("given_size", "kernel"), [({}, (3, 3)), ({"width": 5}, (5, 5)), ({"height": 2}, (2, 2))]
)
def test_a_missing_side_of_the_filter_copies_the_other(
    given_size: dict[str, int], kernel: tuple[int, int]
) -> None:
    layer = Convolution.model_validate({"n_filters": 1, **given_size})

    assert layer.weight_shape([(1, 9, 9)]) == (1, 1, *kernel)


def test_the_automatic_activation_is_the_rectifier() -> None:
    # D12
    module = built(Convolution(n_filters=1, width=1, include_bias=False), (1, 1, 2))
    nn.init.ones_(module.get_parameter("weight"))

    assert module(torch.tensor([[[[-2.0, 3.0]]]])).flatten().tolist() == [0.0, 3.0]


def test_a_layer_may_have_no_bias() -> None:
    layer = Convolution(n_filters=4, include_bias=False)

    assert [spec.part for spec in layer.tensors([(1, 8, 8)], DEFAULTS)] == ["weights"]
    assert getattr(built(layer, (1, 8, 8)), "bias") is None  # noqa: B009


def test_outputs_are_dropped_with_the_layers_rate() -> None:
    layer = Convolution(n_filters=1, width=1, act="IDENTITY", init_bias=1.0, dropout=0.5)
    module = built(layer, (1, 64, 64), options=BuildOptions(dropout_type="INVERTED"))
    ones = module(torch.zeros(1, 1, 64, 64))

    # a kept 1 becomes 1 / (1 - 0.5)
    assert sorted(ones.unique().tolist()) == [0.0, 2.0]


@pytest.mark.parametrize("other", ["padding_width", "padding_height"])
def test_padding_excludes_padding_of_one_axis(other: str) -> None:
    wire = "paddingWidth" if other == "padding_width" else "paddingHeight"
    message = f"options 'padding' and '{wire}' got 1 and 2, expected only one of them"

    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        Convolution.model_validate({"n_filters": 1, "padding": 1, other: 2})


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        Convolution(n_filters=1, act="FCMP")
    with pytest.raises(LayerError, match=f"^{re.escape(NO_NAME)}$"):
        Convolution(n_filters=1, fcmp_act="x")


def test_a_vector_is_no_image() -> None:
    with pytest.raises(ShapeError, match=r"^got \(5,\), expected \(channels, height, width\)$"):
        Convolution(n_filters=1).infer([(5,)], DEFAULTS)


@pytest.mark.parametrize("wrong", [{"n_filters": 0}, {"n_filters": 1, "stride": 0}, {}])
def test_counts_are_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Convolution.model_validate(wrong)
