import re
from typing import Any

import pytest
import torch

from engine.errors import GraphError, LayerError
from engine.layers.base import Target
from engine.layers.keypoints import Keypoints
from tests.engine.layers.user_text import NO_TEXT
from tests.engine.rows import DEFAULTS, built

POINTS = Target("interval", 4)


def test_there_are_as_many_neurons_as_coordinates() -> None:
    bound = Keypoints().bind(POINTS)

    assert bound.n == 4
    assert bound.infer([(7,)], DEFAULTS) == (4,)
    assert [spec.shape for spec in bound.tensors([(2, 3, 3)], DEFAULTS)] == [(18, 4), (4,)]
    assert bound.multiply_adds([(7,)], DEFAULTS) == 28
    assert Keypoints().infer([(7,)], DEFAULTS) is None
    assert Keypoints().tensors([(7,)], DEFAULTS) == ()
    assert Keypoints().multiply_adds([(7,)], DEFAULTS) == 0


def test_the_loss_is_half_the_squared_error() -> None:
    # 307.4779 and 153.7389 in the footprint notebook
    task = Keypoints().bind(Target("interval", 1)).task()
    truth = torch.tensor([[307.4779**0.5]])

    assert task.fit_error(torch.zeros(1, 1), truth).item() == pytest.approx(307.4779)
    assert task.loss(torch.zeros(1, 1), truth).item() == pytest.approx(153.73895)


def test_an_activation_bends_predictions_and_not_raw_values() -> None:
    bound = Keypoints(act="TANH", init_bias=1.0).bind(Target("interval", 1))
    module = built(bound, (2,))
    module.get_parameter("weight").data.zero_()

    raw = module(torch.ones(1, 2))

    assert raw.tolist() == [[1.0]]
    assert bound.task().predict(raw).item() == pytest.approx(0.76159416)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        (
            {},
            Target("nominal", 4),
            "got a target that is nominal, expected interval variables: coordinates are numbers",
        ),
        ({"n": 3}, POINTS, "option 'n' got 3, expected 4: the number of target variables"),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    options: dict[str, Any], target: Target, message: str
) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        Keypoints.model_validate(options).bind(target)


def test_a_layer_without_its_target_has_no_task() -> None:
    with pytest.raises(GraphError, match=r"^got no target yet, expected a bound keypoints layer$"):
        Keypoints().task()


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_TEXT)}$"):
        Keypoints(act="FCMP")
