import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.layers.convolution import Convolution
from engine.layers.local_convolution import LocalConvolution
from tests.engine.rows import DEFAULTS, EQUAL, built

LENGTHS = st.integers(min_value=3, max_value=7)


@given(size=st.tuples(LENGTHS, LENGTHS), kernel=st.integers(1, 4), stride=st.integers(1, 3))
def test_every_place_has_its_own_filter(size: tuple[int, int], kernel: int, stride: int) -> None:
    layer = LocalConvolution(n_filters=3, width=kernel, stride=stride, act="IDENTITY")
    shape = (2, *size)
    module = built(layer, shape)
    bias = torch.randn(
        module.get_parameter("bias").shape, generator=torch.Generator().manual_seed(1)
    )
    module.get_parameter("bias").detach().copy_(bias)
    image = np.random.default_rng(sum(size)).normal(size=shape)
    rows, columns = layer.axes([shape], DEFAULTS)
    padded = np.pad(image, [(0, 0), (rows.before, rows.after), (columns.before, columns.after)])
    weight = module.get_parameter("weight").detach().double().numpy()
    expected = bias.double().numpy().copy()
    for i, j in np.ndindex(rows.out, columns.out):
        top, left = i * stride, j * stride
        window = padded[:, top : top + kernel, left : left + kernel]
        expected[:, i, j] += (weight[:, i, j] * window).sum((1, 2, 3))

    result = module(torch.tensor(image, dtype=torch.float32)[None])[0].detach().numpy()

    assert result.shape == layer.infer([shape], DEFAULTS)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_by_hand_two_places_multiply_by_two_and_three() -> None:
    layer = LocalConvolution(n_filters=1, width=1, act="RECTIFIER", include_bias=False)
    module = built(layer, (1, 1, 2))
    module.get_parameter("weight").detach().copy_(torch.tensor([2.0, 3.0]).view(1, 1, 2, 1, 1, 1))

    assert module(torch.tensor([[[[5.0, -7.0]]]])).tolist() == [[[[10.0, 0.0]]]]


def test_equal_weights_at_every_place_make_it_a_convolution() -> None:
    options = {"n_filters": 2, "dilation": 2, "padding_left": 1, "stride": 2, "act": "TANH"}
    shape, image = (3, 7, 8), torch.randn(2, 3, 7, 8, generator=torch.Generator().manual_seed(2))
    local = built(LocalConvolution.model_validate(options), shape)
    shared = built(Convolution.model_validate(options), shape)
    local.get_parameter("weight").detach().copy_(shared.get_parameter("weight")[:, None, None])

    torch.testing.assert_close(local(image), shared(image))


def test_alexnet_without_sharing_has_a_hundred_million_parameters() -> None:
    # F15 to F17: 290,400 neurons of 363 weights and a bias each
    layer = LocalConvolution(n_filters=96, width=11, stride=4, padding=0)
    weights, biases = layer.tensors([(3, 227, 227)], DEFAULTS)

    assert biases.size == 290_400
    assert weights.size == 290_400 * 363
    assert weights.size + biases.size == 105_705_600
    assert layer.multiply_adds([(3, 227, 227)], DEFAULTS) == weights.size


def test_more_places_of_equal_padding_have_weights_too() -> None:
    # 3.4: a filter of 4 on 5 pixels with step 1 gives 5 places, 6 with equal padding
    layer = LocalConvolution(n_filters=1, width=4)
    weights = [layer.tensors([(1, 5, 5)], each)[0].shape for each in (DEFAULTS, EQUAL)]

    assert weights == [(1, 5, 5, 1, 4, 4), (1, 6, 6, 1, 4, 4)]
    assert built(layer, (1, 5, 5), options=EQUAL)(torch.zeros(1, 1, 5, 5)).shape == (1, 1, 6, 6)


def test_fans_are_those_of_a_convolution() -> None:
    # fan-in 3 * 5 * 5, fan-out 8 * 5 * 5
    assert LocalConvolution(n_filters=8).fans((8, 4, 4, 3, 5, 5)) == (75, 200)


def test_a_layer_may_have_no_bias() -> None:
    layer = LocalConvolution(n_filters=2, include_bias=False)

    assert [spec.part for spec in layer.tensors([(1, 4, 4)], DEFAULTS)] == ["weights"]
    assert getattr(built(layer, (1, 4, 4)), "bias") is None  # noqa: B009 - nn.Module hides it
