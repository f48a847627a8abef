import numpy as np
import pytest
import torch

from engine.compile.moments import EpochMoments
from engine.modules.normalization import BatchNorm


def layers(*features: int, epsilon: float = 1e-5) -> list[BatchNorm]:
    made = [BatchNorm(each, epsilon, None) for each in features]
    for layer in made:
        layer.affine.data.copy_(torch.tensor([1.0, 0.0]))
    return made


def feed(moments: EpochMoments, *rows: torch.Tensor) -> None:
    """Run one mini-batch through the layers, one tensor for each."""
    for layer, values in zip(moments.layers, rows, strict=True):
        layer(values)
    moments.pool(len(rows[0]))


def test_an_epoch_has_the_moments_of_all_its_rows() -> None:
    # B9, D4: two layers, mini-batches of 5, 5 and 2 rows; population variance
    images = np.random.default_rng(1).normal(4.0, 3.0, (12, 2, 3, 3))
    vectors = np.random.default_rng(2).normal(-1.0, 0.1, (12, 4))
    moments = EpochMoments(layers(2, 4))

    for rows in (slice(0, 5), slice(5, 10), slice(10, 12)):
        feed(moments, *(torch.tensor(each[rows]).float() for each in (images, vectors)))
    moments.write()

    first, second = (layer.statistics.numpy() for layer in moments.layers)
    np.testing.assert_allclose(first[:, 0], images.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(first[:, 1], images.std((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(second[:, 0], vectors.mean(0), rtol=1e-5)
    np.testing.assert_allclose(second[:, 1], vectors.std(0), rtol=1e-4)


def test_pooled_sums_differ_from_averaged_batch_variances() -> None:
    # ambiguity (a): batches (0, 2) and (10, 12) have the variance 1 each, together 26
    moments = EpochMoments(layers(1))

    for pair in ([[0.0], [2.0]], [[10.0], [12.0]]):
        feed(moments, torch.tensor(pair))
    moments.write()

    assert moments.layers[0].statistics.tolist() == [pytest.approx([6.0, 26.0**0.5], rel=1e-5)]


def test_a_mean_far_from_zero_keeps_its_deviation() -> None:
    # sums of squares in float32 would lose a deviation of 1 at a mean of 10,000
    values = np.random.default_rng(3).normal(1e4, 1.0, (400, 1)).astype(np.float32)
    moments = EpochMoments(layers(1))

    for start in range(0, 400, 50):
        feed(moments, torch.tensor(values[start : start + 50]))
    moments.write()

    expected = values.astype(np.float64).std()
    assert moments.layers[0].statistics[0, 1].item() == pytest.approx(expected, rel=1e-3)


def test_a_constant_feature_has_no_deviation() -> None:
    moments = EpochMoments(layers(1))

    feed(moments, torch.full((4, 1), 3.0))
    moments.write()

    assert moments.layers[0].statistics.tolist() == [[3.0, pytest.approx(0.0, abs=1e-4)]]


def test_without_epsilon_a_constant_feature_has_no_deviation_either() -> None:
    moments = EpochMoments(layers(1, epsilon=0.0))

    feed(moments, torch.full((4, 1), 3.0))
    moments.write()

    assert moments.layers[0].statistics.tolist() == [[3.0, 0.0]]


def test_a_new_epoch_forgets_the_old_one() -> None:
    moments = EpochMoments(layers(1))
    feed(moments, torch.tensor([[100.0], [200.0]]))

    moments.reset()
    feed(moments, torch.tensor([[1.0], [3.0]]))
    moments.write()

    assert moments.layers[0].statistics.tolist() == [pytest.approx([2.0, 1.0], abs=1e-4)]


def test_an_epoch_without_rows_leaves_the_statistics() -> None:
    moments = EpochMoments(layers(1))

    moments.pool(0)
    moments.write()

    assert moments.layers[0].statistics.tolist() == [[0.0, 1.0]]
