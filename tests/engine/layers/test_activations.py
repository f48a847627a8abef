from math import cos, erf, exp, log, sin, sqrt, tanh
from typing import get_args

import pytest
import torch

from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ACTIVATIONS,
    ActivationName,
    activation,
    log_activation,
    pure_activation,
)

POINTS = (-2.5, -0.5, 0.0, 0.75, 3.0)
FORMULAS = {
    "IDENTITY": lambda x: x,
    "LOGISTIC": lambda x: 1 / (1 + exp(-x)),
    "TANH": tanh,
    "RECTIFIER": lambda x: max(0.0, x),
    "SOFTPLUS": lambda x: log(1 + exp(x)),
    "ELU": lambda x: x if x > 0 else exp(x) - 1,
    "LEAKY": lambda x: x if x > 0 else 0.1 * x,
    "GELU": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "EXP": exp,
    "SIN": sin,
    "COS": cos,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_every_activation_is_its_formula(name: str) -> None:
    points = torch.tensor(POINTS)
    expected = [FORMULAS[name](x) for x in POINTS]

    assert pure_activation(name)(points).tolist() == pytest.approx(expected, abs=1e-6)
    assert ACTIVATIONS[name](points.clone()).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_pure_activations_leave_their_argument_alone(name: str) -> None:
    points = torch.tensor(POINTS)

    pure_activation(name)(points)

    assert points.tolist() == pytest.approx(POINTS)


def test_every_name_has_a_function() -> None:
    assert set(get_args(ActivationName)) - {"AUTO", "FCMP"} == set(ACTIVATIONS) == set(FORMULAS)


def test_the_function_of_a_text_is_what_it_says() -> None:
    points = torch.tensor(POINTS)
    expected = [x / (1 + exp(-2 * x)) for x in POINTS]
    function = activation("FCMP", "TANH", "x * sigmoid(2 * x)")
    assert function is not None

    assert function(points).tolist() == pytest.approx(expected, abs=1e-6)
    pure = pure_activation("FCMP", "x * sigmoid(2 * x)")
    assert pure(points).tolist() == pytest.approx(expected, abs=1e-6)
    assert points.tolist() == pytest.approx(POINTS)


def test_descriptions_and_customary_names_are_other_names_of_functions() -> None:
    assert dict(ACTIVATION_SYNONYMS.values) == {
        "RELU": "RECTIFIER",
        "SIGMOID": "LOGISTIC",
        "SOFPLUS": "SOFTPLUS",
        "AUTOMATIC": "AUTO",
        "HYPERBOLIC TANGENT": "TANH",
        "LEAKY ACTIVATION FUNCTION": "LEAKY",
        "EXPONENTIAL": "EXP",
        "SINE": "SIN",
        "COSINE": "COS",
    }


def test_automatic_is_what_the_layer_says() -> None:
    assert activation("AUTO", "TANH") is torch.tanh
    assert activation("EXP", "TANH") is torch.exp


def test_the_identity_costs_nothing() -> None:
    assert activation("IDENTITY", "TANH") is None
    assert activation("AUTO", "IDENTITY") is None


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("EXP", 500.0, 500.0),
        ("SOFTPLUS", -500.0, -500.0),  # ln(1 + e^x) approaches e^x
        ("SOFTPLUS", 1.0, log(log(1 + exp(1.0)))),
        ("LOGISTIC", -500.0, -500.0),
        ("LOGISTIC", 1.0, -log(1 + exp(-1.0))),
    ],
)
def test_logarithms_neither_overflow_nor_vanish(name: str, point: float, expected: float) -> None:
    function = log_activation(name)

    assert function is not None
    assert function(torch.tensor([point])).item() == pytest.approx(expected)


def test_the_logarithm_of_softplus_has_a_gradient_everywhere() -> None:
    points = torch.tensor([-500.0, -20.0, 0.0, 50.0], requires_grad=True)
    function = log_activation("SOFTPLUS")
    assert function is not None

    (gradient,) = torch.autograd.grad(function(points).sum(), points)

    # d ln softplus = sigmoid / softplus: 1, 1, 0.5 / ln 2, 1 / 50
    assert gradient.tolist() == pytest.approx([1.0, 1.0, 0.5 / log(2), 0.02])


def test_activations_that_are_not_positive_have_no_logarithm() -> None:
    assert log_activation("TANH") is None
