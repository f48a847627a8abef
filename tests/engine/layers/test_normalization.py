import numpy as np
import pytest
import torch
from torch import nn

from engine.errors import NotSupportedError
from engine.layers.normalization import BatchNormalization
from engine.modules.normalization import BatchNorm
from engine.shapes import Shape
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


def test_a_user_function_is_refused() -> None:
    with pytest.raises(NotSupportedError, match=r"^activation 'FCMP' is not supported yet; "):
        BatchNormalization(act="FCMP")
