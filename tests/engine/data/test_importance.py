import re
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.data.batches import ResidentSource
from engine.data.encode import Encoded, Encoder
from engine.data.importance import WEIGHT, factors
from engine.errors import DataError
from engine.train.config import Optimizer
from engine.train.loop import Trainer
from engine.weights import read_weights
from tests.engine.networks import Array, compiled, learned, network, objects

COLUMNS = {
    "a": np.array([1.0, -2.0, 0.5, 3.0, -1.0]),
    "b": np.array([0.0, 1.0, -1.0, 2.0, 0.5]),
    "w": np.array([2.0, 0.0, 1.0, 0.5, 1.5]),
    "y": objects("up", "down", "up", "down", "up"),
}
NUMERIC = {**COLUMNS, "y": np.array([1.0, 0.0, 1.0, 0.0, 1.0])}


def encoded(columns: dict[str, Array], purpose: Any = "train", **request: Any) -> Encoded:
    schema = learned(network(), columns, inputs=("a", "b"), **request)
    return Encoder(schema, purpose).encode(columns)


def test_weights_of_observations_travel_with_the_targets() -> None:
    found = encoded(COLUMNS, weight="w").targets[WEIGHT]
    assert found.tolist() == [2.0, 0.0, 1.0, 0.5, 1.5]


def test_weights_of_classes_multiply_those_of_observations() -> None:
    classes = [{"level": "down", "weight": 4.0}]
    found = encoded(COLUMNS, weight="w", class_weights=classes).targets[WEIGHT]
    assert found.tolist() == [2.0, 0.0, 1.0, 2.0, 1.5]


def test_a_level_may_be_written_as_a_number() -> None:
    classes = [{"level": 1, "weight": 3.0}]
    found = encoded(NUMERIC, nominals=("y",), class_weights=classes).targets[WEIGHT]
    assert found.tolist() == [3.0, 1.0, 3.0, 1.0, 3.0]


def test_without_weights_nothing_travels() -> None:
    assert WEIGHT not in encoded(COLUMNS).targets


def test_validation_counts_every_row_as_one() -> None:
    assert WEIGHT not in encoded(COLUMNS, "validate", weight="w").targets


@pytest.mark.parametrize(("bad", "shown"), [(-1.0, "-1.0"), (np.nan, "nan")])
def test_a_weight_must_be_a_number_of_zero_or_more(bad: float, shown: str) -> None:
    columns = {**COLUMNS, "w": np.array([1.0, 1.0, bad, 1.0, 1.0])}
    message = f"weight variable 'w' got {shown} in row 2, expected a number of 0 or more"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        encoded(columns, weight="w")


def test_a_class_weight_needs_a_level_of_the_target() -> None:
    message = "classWeights got level 'sideways' of target 'y', expected one of down, up"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        encoded(COLUMNS, class_weights=[{"level": "sideways", "weight": 2.0}])


def test_class_weights_need_a_nominal_target() -> None:
    with pytest.raises(
        DataError, match=r"^classWeights got no nominal target, expected exactly one$"
    ):
        encoded(NUMERIC, class_weights=[{"level": 1, "weight": 2.0}])


def test_factors_have_a_mean_of_one_and_stand_a_batch_without_weight() -> None:
    assert factors(torch.tensor([1.0, 3.0])).tolist() == [0.5, 1.5]
    assert factors(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def trained(columns: dict[str, Array], **request: Any) -> tuple[Array, float, Array]:
    """Return weights before, the loss, and weights after one step on all rows."""
    schema = learned(network(), columns, inputs=("a", "b"), **request)
    model = compiled(network(), schema)
    before = np.concatenate([chunk.values.copy() for chunk in read_weights(model)])
    source = ResidentSource.read(Encoder(schema), [columns])
    options = Optimizer.model_validate({"algorithm": {"learning_rate": 0.5}})
    result = Trainer(model, options, source, batch_rows=5).run()
    after = np.concatenate([chunk.values.copy() for chunk in read_weights(model)])
    return before, result.history[0].loss, after


def test_class_weights_are_those_of_the_cross_entropy_of_torch() -> None:
    before, loss, after = trained(
        COLUMNS, class_weights=[{"level": "down", "weight": 4.0}, {"level": "up", "weight": 0.5}]
    )

    x = torch.tensor(np.column_stack([COLUMNS["a"], COLUMNS["b"]]), dtype=torch.float32)
    target = torch.tensor([1, 0, 1, 0, 1])  # levels in ascending order: down, up
    flat = torch.tensor(before, requires_grad=True)
    raw = x @ flat[:4].view(2, 2) + flat[4:]
    expected = functional.cross_entropy(raw, target, weight=torch.tensor([4.0, 0.5]))
    (gradient,) = torch.autograd.grad(expected, flat)
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    np.testing.assert_allclose(after, before - 0.5 * gradient.numpy(), rtol=1e-5, atol=1e-6)


def test_the_loss_of_weighted_observations_is_their_weighted_mean() -> None:
    before, loss, after = trained(NUMERIC, weight="w")

    x = np.column_stack([COLUMNS["a"], COLUMNS["b"], np.ones(5)])
    w, residual = COLUMNS["w"], x @ before - NUMERIC["y"]
    assert loss == pytest.approx((w * residual**2 / 2).sum() / w.sum(), rel=1e-5)
    gradient = x.T @ (w * residual) / w.sum()
    np.testing.assert_allclose(after, before - 0.5 * gradient, rtol=1e-4, atol=1e-5)
