from math import sqrt

import pytest
import torch
from pydantic import ValidationError

from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.output import Output
from engine.layers.weighted import Biased, Shaped, Weighted
from tests.engine.rows import built


def test_biases_start_from_the_value_asked_for() -> None:
    module = built(FullyConnected(n=3, init_bias=0.25), (2,))

    assert module.get_parameter("bias").tolist() == [0.25, 0.25, 0.25]


def test_the_fans_of_a_convolution_count_its_window() -> None:
    # fan-in 4 maps * 5 * 3, fan-out 6 maps * 5 * 3
    layer = Convolution(n_filters=6, height=5, width=3)

    assert layer.fans((6, 4, 5, 3)) == (60, 90)


def test_the_fans_of_a_matrix_are_its_sides() -> None:
    assert FullyConnected(n=7).fans((3, 7)) == Output(n=7).fans((3, 7)) == (3, 7)


def test_weights_start_from_the_rule_asked_for() -> None:
    layer = FullyConnected(n=200, init="NORMAL", mean=4.0, std=0.1, truncation_factor=1.0)
    weight = built(layer, (50,)).get_parameter("weight")

    assert weight.min().item() >= 3.9
    assert weight.max().item() <= 4.1
    assert weight.mean().item() == pytest.approx(4.0, abs=0.01)


def test_weights_start_from_xavier_unless_said() -> None:
    weight = built(FullyConnected(n=200), (100,)).get_parameter("weight")

    assert weight.abs().max().item() == pytest.approx(sqrt(6 / 300), rel=1e-3)


def test_one_generator_gives_one_start() -> None:
    first, second = (built(FullyConnected(n=5), (5,), seed=9) for _ in range(2))

    assert torch.equal(first.get_parameter("weight"), second.get_parameter("weight"))


@pytest.mark.parametrize("wrong", [{"std": -1.0}, {"truncation_factor": -1.0}, {"init": "HE"}])
def test_impossible_starts_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FullyConnected.model_validate({"n": 1, **wrong})


def test_a_truncation_of_zero_is_none() -> None:
    layer = FullyConnected.model_validate({"n": 1, "truncation_factor": 0})
    assert layer.truncation_factor is None


def test_a_weighted_layer_must_bring_its_own_rules() -> None:
    assert Weighted.__abstractmethods__ >= {"fans", "infer", "build"}
    assert Biased.__abstractmethods__ - Weighted.__abstractmethods__ == {"bias_shape"}
    assert Shaped.__abstractmethods__ - Biased.__abstractmethods__ == {"weight_shape"}
    with pytest.raises(TypeError, match="abstract"):
        Shaped(type="shaped")  # type: ignore[abstract]
