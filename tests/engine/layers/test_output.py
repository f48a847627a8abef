import re

import pytest
import torch

from engine.errors import GraphError, LayerError, ShapeError
from engine.layers.base import Target
from engine.layers.output import Output
from engine.losses import Entropy, Gamma, Normal, Poisson
from engine.tasks.sampled import SampledEntropy
from tests.engine.layers.user_text import NO_TEXT
from tests.engine.rows import DEFAULTS, built

LEVELS = Target("nominal", 3)
VALUES = Target("interval", 2)


def test_a_nominal_target_gets_softmax_and_entropy() -> None:
    bound = Output().bind(LEVELS)

    assert (bound.n, bound.act, bound.error) == (3, "SOFTMAX", "ENTROPY")
    assert bound.task() == Entropy(LEVELS)


def test_an_interval_target_gets_the_identity_and_the_squared_error() -> None:
    bound = Output().bind(VALUES)

    assert (bound.n, bound.act, bound.error) == (2, "IDENTITY", "NORMAL")
    assert isinstance(bound.task(), Normal)


@pytest.mark.parametrize(("error", "task"), [("POISSON", Poisson), ("GAMMA", Gamma)])
def test_positive_errors_get_the_exponential(error: str, task: type[object]) -> None:
    bound = Output.model_validate({"error": error}).bind(VALUES)

    assert bound.act == "EXP"
    assert isinstance(bound.task(), task)
    assert bound.task().predict(torch.zeros(1, 2)).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("act", ["EXP", "SOFTPLUS", "LOGISTIC"])
def test_positive_activations_go_with_positive_errors(act: str) -> None:
    bound = Output.model_validate({"error": "GAMMA", "act": act}).bind(VALUES)

    assert bound.act == act


def test_there_may_be_more_neurons_than_levels() -> None:
    assert Output(n=5).bind(LEVELS).n == 5


def test_the_module_gives_what_comes_before_the_activation() -> None:
    layer = Output(init_bias=-1.0).bind(LEVELS)
    module = built(layer, (2,))
    module.get_parameter("weight").data.fill_(2.0)

    assert module(torch.tensor([[1.0, 2.0]])).tolist() == [[5.0, 5.0, 5.0]]


@pytest.mark.parametrize(("n", "weights"), [(10, 640), (2, 128)])
def test_parameters_are_those_of_a_fully_connected_layer(n: int, weights: int) -> None:
    # R: 64 * 2 weights and 2 biases for a target of two levels
    layer = Output(n=n)

    assert [spec.size for spec in layer.tensors([(64,)], DEFAULTS)] == [weights, n]
    assert layer.multiply_adds([(64,)], DEFAULTS) == weights


def test_the_cifar_volume_is_ten_numbers() -> None:
    # F5
    assert Output(n=10).infer([(12, 16, 16)], DEFAULTS) == (10,)


def test_the_shape_waits_for_the_target() -> None:
    assert Output().infer([(4,)], DEFAULTS) is None
    assert Output().infer_open() is None
    assert Output(n=4).infer_open() == (4,)
    assert Output().tensors([(4,)], DEFAULTS) == ()


def test_a_loss_alone_has_no_weights_and_passes_its_source_on() -> None:
    layer = Output(full_connect=False).bind(LEVELS)
    module = built(layer, (1, 1, 3))
    values = torch.tensor([[[[1.0, 2.0, 3.0]]]])

    assert layer.infer([(1, 1, 3)], DEFAULTS) == (3,)
    assert layer.tensors([(1, 1, 3)], DEFAULTS) == ()
    assert layer.multiply_adds([(1, 1, 3)], DEFAULTS) == 0
    assert module(values).tolist() == [[1.0, 2.0, 3.0]]


def test_a_loss_alone_may_have_more_values_than_levels() -> None:
    assert Output(full_connect=False).bind(LEVELS).infer([(5,)], DEFAULTS) == (5,)


def test_a_loss_alone_with_too_few_values_is_refused() -> None:
    message = "option 'n' got 2, expected at least 3: the number of levels"
    with pytest.raises(GraphError, match=f"^{message}$"):
        Output(full_connect=False).bind(LEVELS).infer([(2,)], DEFAULTS)


def test_a_loss_alone_has_as_many_neurons_as_its_source_has_values() -> None:
    message = (
        "got 4 values, expected 3: without fullConnect the source has as many values as the layer "
        "has neurons"
    )
    with pytest.raises(ShapeError, match=f"^{message}$"):
        Output(n=3, full_connect=False).bind(LEVELS).infer([(4,)], DEFAULTS)
    assert Output(n=3, full_connect=False).infer([(4,)], DEFAULTS) == (4,)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({"n": 2}, LEVELS, "option 'n' got 2, expected at least 3: the number of levels"),
        ({"n": 3}, VALUES, "option 'n' got 3, expected 2: the number of target variables"),
        (
            {"error": "NORMAL"},
            LEVELS,
            "option 'error' got 'NORMAL' with a target that is nominal, expected ENTROPY",
        ),
        (
            {"error": "ENTROPY"},
            VALUES,
            (
                "option 'error' got 'ENTROPY' with a target that is interval, "
                "expected NORMAL, POISSON or GAMMA"
            ),
        ),
        (
            {"act": "TANH"},
            LEVELS,
            "option 'act' got 'TANH' with error 'ENTROPY', expected 'SOFTMAX'",
        ),
        (
            {"act": "SOFTMAX"},
            VALUES,
            (
                "option 'act' got 'SOFTMAX' with error 'NORMAL', "
                "expected another: SOFTMAX is for nominal targets"
            ),
        ),
        (
            {"act": "TANH", "error": "GAMMA"},
            VALUES,
            (
                "option 'act' got 'TANH' with error 'GAMMA', "
                "expected 'EXP', 'SOFTPLUS' or 'LOGISTIC', whose values are positive"
            ),
        ),
    ],
)
def test_options_that_do_not_suit_the_target_are_refused(
    options: dict[str, object], target: Target, message: str
) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        Output.model_validate(options).bind(target)


def test_a_layer_without_target_has_no_loss() -> None:
    with pytest.raises(GraphError, match=r"^got no target yet, expected a bound output layer$"):
        Output(n=3).task()


def test_sampled_softmax_is_for_the_entropy_of_levels() -> None:
    assert Output(n_softmax_samples=2).bind(LEVELS).task() == SampledEntropy(LEVELS, 2)
    with pytest.raises(
        GraphError,
        match=r"^option 'nSoftmaxSamples' got 5 with error 'NORMAL', expected none: samples belong "
        "to 'ENTROPY'$",
    ):
        Output(n_softmax_samples=5).bind(VALUES)


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        Output(act="FCMP")


def test_a_standardised_target_does_not_stay_positive() -> None:
    message = (
        "options 'error' and 'targetStd' got 'GAMMA' and 'STD', "
        "expected targetStd 'NONE': the target must stay positive"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        Output(error="GAMMA", target_std="STD")
