import re

import numpy as np
import pytest
import torch
from torch import nn

from engine.errors import LayerError, ShapeError
from engine.layers.normalization import BatchNormalization, LayerNormalization
from engine.modules.normalization import BatchNorm
from engine.shapes import Shape
from tests.engine.layers.user_text import NO_TEXT
from tests.engine.rows import DEFAULTS, built

MAPS = (2, 5, 5)
NEURONS = (50,)


def normalizer(shape: Shape, **options: object) -> BatchNorm:
    module = built(BatchNormalization.model_validate(options), shape)
    assert isinstance(module, BatchNorm)
    return module


def three_rows(shape: Shape) -> torch.Tensor:
    values = np.random.default_rng(5).normal(3.0, 2.0, (3, *shape))
    return torch.tensor(values, dtype=torch.float32)


def test_maps_have_one_mean_over_all_their_pixels() -> None:
    # B3, B6: 2 means, each over 3 * 5 * 5 = 75 values
    rows, module = three_rows(MAPS), normalizer(MAPS)
    result = module(rows).detach().numpy()

    values = rows.double().numpy().transpose(1, 0, 2, 3).reshape(2, 75)
    mean, variance = values.mean(1), values.var(1)
    expected = (values - mean[:, None]) / np.sqrt(variance + 1e-5)[:, None]
    np.testing.assert_allclose(result.transpose(1, 0, 2, 3).reshape(2, 75), expected, atol=1e-5)
    assert module.batch_mean is not None
    np.testing.assert_allclose(module.batch_mean.numpy(), mean, rtol=1e-5)


def test_neurons_have_one_mean_each() -> None:
    # B4, B7: 50 means, each over 3 values
    rows, module = three_rows(NEURONS), normalizer(NEURONS)
    result = module(rows).detach().numpy()

    values = rows.double().numpy()
    expected = (values - values.mean(0)) / np.sqrt(values.var(0) + 1e-5)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert module.batch_mean is not None
    assert module.batch_mean.shape == (50,)


def test_a_row_of_pixels_still_has_maps() -> None:
    # B5: 4 maps of 1x10
    assert normalizer((4, 1, 10)).affine.shape == (4, 2)


def test_gamma_scales_and_beta_shifts_before_the_activation() -> None:
    # B1, by hand: column (1, 3) has mean 2 and deviation 1: -1, 1; times 2 minus 1: -3, 1
    module = normalizer((1,), act="RECTIFIER", epsilon=0.0)
    module.affine.data.copy_(torch.tensor([[2.0, -1.0]]))

    assert module(torch.tensor([[1.0], [3.0]])).tolist() == [[0.0], [1.0]]


def test_scoring_uses_the_stored_mean_and_deviation() -> None:
    # B1, B8: (7 - 3) / √(2² + 0) * 1.5 + 0.5 = 3.5
    module = normalizer((1,), epsilon=0.0).eval()
    module.statistics.copy_(torch.tensor([[3.0, 2.0]]))
    module.affine.data.copy_(torch.tensor([[1.5, 0.5]]))

    assert module(torch.tensor([[7.0]])).item() == pytest.approx(3.5)


def test_epsilon_is_added_to_the_variance() -> None:
    # B2, D3: 4 / √(9 + 7) = 1
    module = normalizer((1,), epsilon=7.0).eval()
    module.statistics.copy_(torch.tensor([[3.0, 3.0]]))

    assert module(torch.tensor([[7.0]])).item() == pytest.approx(1.0)


def test_epsilon_is_a_hundred_thousandth_unless_said() -> None:
    # D3
    assert BatchNormalization().epsilon == 1e-5


def test_a_mini_batch_of_one_row_becomes_beta() -> None:
    module = normalizer((3,))
    module.affine.data[:, 1] = torch.tensor([1.0, 2.0, 3.0])

    result = module(torch.tensor([[9.0, -9.0, 0.0]]))

    # torch folds the mean into the shift: 9 / √epsilon is 2846, whose last bit is 2e-4
    torch.testing.assert_close(result, torch.tensor([[1.0, 2.0, 3.0]]), atol=5e-4, rtol=0)


def test_gradients_equal_those_of_torch() -> None:
    rows, module, theirs = three_rows(MAPS), normalizer(MAPS), nn.BatchNorm2d(2)
    ours_in, theirs_in = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    weights = torch.randn(3, *MAPS, generator=torch.Generator().manual_seed(1))

    (module(ours_in) * weights).sum().backward()
    (theirs(theirs_in) * weights).sum().backward()

    assert module.affine.grad is not None
    torch.testing.assert_close(ours_in.grad, theirs_in.grad)
    torch.testing.assert_close(module.affine.grad[:, 0], theirs.weight.grad)
    torch.testing.assert_close(module.affine.grad[:, 1], theirs.bias.grad)


def test_gamma_and_beta_are_biases_and_statistics_come_after() -> None:
    # B10, B11
    tensors = BatchNormalization().tensors([MAPS], DEFAULTS)

    assert [(spec.part, spec.name, spec.shape) for spec in tensors] == [
        ("biases", "affine", (2, 2)),
        ("statistics", "statistics", (2, 2)),
    ]


def test_a_fresh_layer_changes_nothing_when_scoring() -> None:
    rows, module = three_rows(MAPS), normalizer(MAPS, epsilon=0.0).eval()

    torch.testing.assert_close(module(rows), rows)


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        BatchNormalization(act="FCMP")


def layer_norm(values: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return gamma (x - mean) / √variance + beta over the last axis, with the population's."""
    mean, variance = values.mean(-1, keepdims=True), values.var(-1, keepdims=True)
    result: np.ndarray = gamma * (values - mean) / np.sqrt(variance + 1e-12) + beta
    return result


@pytest.mark.parametrize("shape", [(6,), (4, 6), (1, 4, 6)])
def test_every_step_is_normalised_by_itself(shape: Shape) -> None:
    module = built(LayerNormalization(), shape)
    gamma, beta = np.random.default_rng(1).normal(size=(2, 6))
    module.get_parameter("weight").detach().copy_(torch.tensor(gamma))
    module.get_parameter("bias").detach().copy_(torch.tensor(beta))
    rows = three_rows(shape)

    for mode in (True, False):
        result = module.train(mode)(rows).detach().numpy()

        expected = layer_norm(rows.double().numpy(), gamma, beta)
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_layer_normalisation_by_hand() -> None:
    # 1 3 5 7: mean 4, variance (9 + 1 + 1 + 9) / 4 = 5; (7 - 4) / √(5 + 4) = 1, (3 - 4) / 3
    module = built(LayerNormalization(epsilon=4.0, act="RECTIFIER"), (4,))

    result = module(torch.tensor([[1.0, 3.0, 5.0, 7.0]])).flatten().tolist()

    assert result == pytest.approx([0.0, 0.0, 1 / 3, 1.0])


def test_a_vector_may_hold_several_steps() -> None:
    layer = LayerNormalization(token_size=3)
    module = built(layer, (6,))
    rows = three_rows((6,))

    result = module(rows).detach().numpy()

    expected = layer_norm(rows.double().numpy().reshape(3, 2, 3), np.ones(3), np.zeros(3))
    np.testing.assert_allclose(result.reshape(3, 2, 3), expected, atol=1e-5)
    assert layer.infer([(6,)], DEFAULTS) == (6,)


def test_gamma_is_a_weight_and_beta_a_bias_of_a_layer_normalisation() -> None:
    # 2.4, D14: n and n
    tensors = LayerNormalization().tensors([(128, 768)], DEFAULTS)

    assert [(spec.part, spec.name, spec.shape) for spec in tensors] == [
        ("weights", "weight", (768,)),
        ("biases", "bias", (768,)),
    ]
    assert LayerNormalization().epsilon == 1e-12


def test_equal_values_become_beta() -> None:
    module = built(LayerNormalization(), (2, 3))
    module.get_parameter("bias").detach().copy_(torch.tensor([1.0, 2.0, 3.0]))

    assert module(torch.full((1, 2, 3), 7.0)).tolist() == [[[1.0, 2.0, 3.0]] * 2]


def test_normalised_steps_are_dropped_with_the_layers_rate() -> None:
    module = built(LayerNormalization(dropout=0.25), (4000,))

    assert (module(torch.randn(1, 4000)) == 0).float().mean().item() == pytest.approx(
        0.25, abs=0.03
    )


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        (
            {"token_size": 4},
            (6,),
            "got (6,), expected steps of 4 values: the option 'tokenSize'",
        ),
        (
            {"token_size": 3},
            (5, 6),
            "got (5, 6), expected steps of 3 values: the option 'tokenSize'",
        ),
        (
            {},
            (3, 5, 6),
            (
                "got (3, 5, 6), expected (steps, values) or one map of that size; "
                "put a reshape layer before it"
            ),
        ),
    ],
)
def test_steps_that_do_not_fit_are_refused(
    options: dict[str, int], shape: Shape, message: str
) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        LayerNormalization.model_validate(options).infer([shape], DEFAULTS)


def test_a_user_function_comes_with_its_text_by_layer_normalisation() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        LayerNormalization(act="FCMP")
