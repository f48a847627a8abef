import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from engine.errors import LayerError, ShapeError
from engine.layers.transposed import TransposedConvolution
from tests.engine.layers.user_text import NO_TEXT
from tests.engine.rows import DEFAULTS, built


@pytest.mark.parametrize(
    ("options", "side"),
    [
        ({"stride": 2, "padding": 1}, 63),
        ({"stride": 2, "padding": 1, "output_padding": 1}, 64),
        ({}, 34),
        ({"width": 2, "stride": 2}, 64),
        ({"padding": 1}, 32),
    ],
)
def test_sizes_are_those_of_the_reference(options: dict[str, int], side: int) -> None:
    # 2.4: (32 - 1) * 2 - 2 * 1 + 3 = 63; with outputPadding 1 it is 64
    layer = TransposedConvolution.model_validate({"n_filters": 4, **options})

    assert layer.infer([(8, 32, 32)], DEFAULTS) == (4, side, side)


def test_the_axes_may_differ() -> None:
    # height (5 - 1) * 1 - 2 * 1 + 4 = 6, width (6 - 1) * 3 - 0 + 2 + 2 = 19
    layer = TransposedConvolution(
        n_filters=1,
        height=4,
        width=2,
        stride=3,
        stride_vertical=1,
        padding_height=1,
        output_padding_width=2,
    )

    assert layer.infer([(1, 5, 6)], DEFAULTS) == (1, 6, 19)
    assert built(layer, (1, 5, 6))(torch.zeros(1, 1, 5, 6)).shape == (1, 1, 6, 19)


def test_the_filter_is_laid_around_every_pixel() -> None:
    # by hand: 2 [1 10 100] at 0 and 3 [1 10 100] at 2: 2, 20, 200 + 3, 30, 300; the last is extra
    layer = TransposedConvolution(
        n_filters=1,
        width=3,
        height=1,
        stride_horizontal=2,
        output_padding_width=1,
        act="IDENTITY",
        init_bias=0.5,
    )
    module = built(layer, (1, 1, 2))
    module.get_parameter("weight").detach().copy_(torch.tensor([[[[1.0, 10.0, 100.0]]]]))

    result = module(torch.tensor([[[[2.0, 3.0]]]])).flatten().tolist()

    assert result == [2.5, 20.5, 203.5, 30.5, 300.5, 0.5]


SMALL = st.integers(1, 4)


@given(
    size=st.tuples(SMALL, SMALL), kernel=SMALL, stride=st.integers(1, 3), padding=st.integers(0, 1)
)
def test_the_layer_equals_a_sum_of_filters(
    size: tuple[int, int], kernel: int, stride: int, padding: int
) -> None:
    sides = [(each - 1) * stride + kernel for each in size]
    if min(sides) <= 2 * padding:
        return
    layer = TransposedConvolution(
        n_filters=3, width=kernel, stride=stride, padding=padding, act="IDENTITY"
    )
    shape = (2, *size)
    module = built(layer, shape)
    image = np.random.default_rng(kernel).normal(size=shape)
    weight = module.get_parameter("weight").detach().double().numpy()
    whole = np.zeros((3, *sides))
    for i, j in np.ndindex(*size):
        top, left = i * stride, j * stride
        patch = np.einsum("c,cfab->fab", image[:, i, j], weight)
        whole[:, top : top + kernel, left : left + kernel] += patch
    inside = slice(padding, -padding or None)

    result = module(torch.tensor(image, dtype=torch.float32)[None])[0].detach().numpy()

    assert result.shape == layer.infer([shape], DEFAULTS)
    np.testing.assert_allclose(result, whole[:, inside, inside], atol=1e-5)


def test_it_is_the_gradient_of_a_convolution() -> None:
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, 3, 7, 7, generator=generator, requires_grad=True)
    layer = TransposedConvolution(
        n_filters=3, stride=2, padding=1, include_bias=False, act="IDENTITY"
    )
    module = built(layer, (4, 4, 4))
    upper = torch.randn(1, 4, 4, 4, generator=generator)

    forward = functional.conv2d(image, module.get_parameter("weight"), None, 2, 1)
    (gradient,) = torch.autograd.grad(forward, image, upper)

    torch.testing.assert_close(module(upper), gradient)


def test_weights_lie_source_map_first() -> None:
    layer = TransposedConvolution(n_filters=4, width=5, height=3)
    weights, biases = layer.tensors([(8, 6, 6)], DEFAULTS)

    assert (weights.shape, biases.shape) == ((8, 4, 3, 5), (4,))
    # fan-in 8 maps, fan-out 4 maps of 15 cells
    assert layer.fans((8, 4, 3, 5)) == (120, 60)


def test_every_pixel_is_multiplied_by_every_weight() -> None:
    # 36 pixels, 4 * 3 * 3 weights for each of 8 maps
    assert TransposedConvolution(n_filters=4).multiply_adds([(8, 6, 6)], DEFAULTS) == 36 * 8 * 36


def test_the_automatic_activation_is_the_rectifier() -> None:
    module = built(TransposedConvolution(n_filters=1, width=1, init_bias=-1.0), (1, 1, 1))

    assert module(torch.zeros(1, 1, 1, 1)).item() == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"output_padding": 1},
            (
                "option 'outputPaddingHeight' got 1, expected less than the stride 1: no pixel "
                "reaches further"
            ),
        ),
        (
            {"stride": 2, "output_padding_width": 3},
            (
                "option 'outputPaddingWidth' got 3, expected less than the stride 2: no pixel "
                "reaches further"
            ),
        ),
        (
            {"padding": 1, "padding_width": 1},
            "options 'padding' and 'paddingWidth' got 1 and 1, expected only one of them",
        ),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        TransposedConvolution.model_validate({"n_filters": 1, **options})


def test_an_output_without_pixels_is_refused() -> None:
    message = (
        "got 2 pixels with a filter of 3, stride 1 and padding 2, expected an output of at least "
        "one pixel, not 0"
    )
    with pytest.raises(ShapeError, match=f"^{message}$"):
        TransposedConvolution(n_filters=1, padding=2).infer([(1, 2, 2)], DEFAULTS)


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        TransposedConvolution(n_filters=1, act="FCMP")
