import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.devices import seeded
from engine.errors import LayerError
from engine.layers.base import BuildOptions
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from tests.engine.layers.user_text import NO_TEXT
from tests.engine.rows import DEFAULTS, built


@pytest.mark.parametrize(
    ("neurons", "shape", "weights"),
    [
        (1, (3, 32, 32), 3_072),  # F3
        (1, (3, 200, 200), 120_000),  # F4
        (1000, (1_000_000, 3), 3_000_000_000),  # F97
        (4096, (512, 7, 7), 102_760_448),  # 5.2
    ],
)
def test_parameter_counts_are_those_of_the_literature(
    neurons: int, shape: tuple[int, ...], weights: int
) -> None:
    layer = FullyConnected(n=neurons)
    tensors = layer.tensors([shape], DEFAULTS)

    assert [spec.size for spec in tensors] == [weights, neurons]
    assert layer.multiply_adds([shape], DEFAULTS) == weights


def test_maps_are_laid_out_by_channel_row_and_column() -> None:
    # D9: the weight of input (c, h, w) is number c H W + h W + w
    layer = FullyConnected(n=1, act="IDENTITY", include_bias=False)
    module = built(layer, (2, 2, 3))
    powers = 2.0 ** torch.arange(12)
    module.get_parameter("weight").data.copy_(powers[:, None])
    image = torch.zeros(1, 2, 2, 3)
    image[0, 1, 0, 2] = 1.0  # 6 + 0 + 2 = 8

    assert module(image).item() == 2.0**8


def test_the_memory_order_of_images_does_not_matter() -> None:
    module = built(FullyConnected(n=4), (3, 5, 5))
    images = torch.randn(2, 3, 5, 5)
    other = images.contiguous(memory_format=torch.channels_last)

    torch.testing.assert_close(module(other), module(images))


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_gradients_of_maps_come_back_in_their_order(order: torch.memory_format) -> None:
    module = built(FullyConnected(n=3), (2, 4, 5))
    x = torch.randn(6, 2, 4, 5, generator=seeded(1)).contiguous(memory_format=order)
    x.requires_grad_()

    (found,) = torch.autograd.grad(module(x).sum(), [x])

    assert found.is_contiguous(memory_format=order)


def test_several_sources_lie_side_by_side_in_their_order() -> None:
    layer = FullyConnected(n=2, act="IDENTITY", init_bias=1.0)
    module = built(layer, (1, 1, 2), (1,))
    weight = torch.tensor([[1.0, 0.0], [10.0, 0.0], [100.0, 5.0]])
    module.get_parameter("weight").data.copy_(weight)

    # 1 + 10 * 2 + 100 * 3 + bias, 5 * 3 + bias
    result = module(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[3.0]]))

    assert result.tolist() == [[322.0, 16.0]]


@given(inputs=st.integers(1, 20), neurons=st.integers(1, 20))
def test_the_shape_is_known_without_the_source(inputs: int, neurons: int) -> None:
    layer = FullyConnected(n=neurons)

    assert layer.infer([(inputs,)], DEFAULTS) == layer.infer_open() == (neurons,)
    assert layer.weight_shape([(inputs,)]) == (inputs, neurons)


def test_a_full_window_convolution_is_a_fully_connected_layer() -> None:
    # F32, on 8x7x7 with 16 neurons
    dense = built(FullyConnected(n=16, act="IDENTITY"), (8, 7, 7))
    layer = Convolution(n_filters=16, width=7, padding=0, act="IDENTITY")
    convolution = built(layer, (8, 7, 7))
    weight = dense.get_parameter("weight").data.t().reshape(16, 8, 7, 7)
    convolution.get_parameter("weight").data.copy_(weight)
    images = torch.randn(3, 8, 7, 7)

    torch.testing.assert_close(convolution(images).flatten(1), dense(images))


def test_the_automatic_activation_is_tanh() -> None:
    # D12: tanh(0.5) = 0.46211716
    module = built(FullyConnected(n=1, init_bias=0.5), (1,))

    assert module(torch.zeros(1, 1)).item() == pytest.approx(0.46211716)


def dropped(layer: FullyConnected, options: BuildOptions) -> float:
    """Return the share of zeros in the outputs of a layer whose outputs are all one."""
    module = layer.build([(1,)], options)
    module.get_parameter("weight").data.zero_()
    module.get_parameter("bias").data.fill_(0.5)
    return float((module(torch.zeros(50, 1)) == 0).float().mean())


def test_the_rate_of_the_run_applies_where_the_layer_sets_none() -> None:
    # D8
    options = BuildOptions(dropout=0.5)

    assert dropped(FullyConnected(n=100), DEFAULTS) == 0.0
    assert dropped(FullyConnected(n=100), options) == pytest.approx(0.5, abs=0.05)
    assert dropped(FullyConnected(n=100, dropout=0.0), options) == 0.0
    assert dropped(FullyConnected(n=100, dropout=0.9), options) == pytest.approx(0.9, abs=0.05)


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        FullyConnected(n=1, act="FCMP")


def test_the_number_of_neurons_is_required() -> None:
    with pytest.raises(ValidationError):
        FullyConnected.model_validate({})


def test_every_step_is_multiplied_by_the_same_matrix() -> None:
    module = built(FullyConnected(n=2, per_step=True), (3, 4))
    alone = built(FullyConnected(n=2), (4,))
    rows = torch.randn(5, 3, 4)

    torch.testing.assert_close(module(rows)[:, 1], alone(rows[:, 1]))
    assert FullyConnected(n=2, per_step=True).multiply_adds([(3, 4)], DEFAULTS) == 3 * 4 * 2
    assert FullyConnected(n=2, per_step=True).infer_open() is None
