import re
from typing import Any

import pytest
import torch

from engine.errors import EngineError, GraphError, LayerError, ShapeError
from engine.layers.base import Target
from engine.layers.segmentation import Segmentation
from engine.losses import TargetForm
from engine.tasks.segmentation import PixelEntropy, PixelValues
from tests.engine.rows import DEFAULTS, built

CLASSES = Target("pixels", 3)


def layer(**options: Any) -> Segmentation:
    return Segmentation.model_validate(options)


def test_pixels_are_classes_unless_the_activation_is_another() -> None:
    assert layer().bind(CLASSES).task() == PixelEntropy(CLASSES)
    assert isinstance(layer(act="IDENTITY").bind(Target("interval", 8)).task(), PixelValues)
    assert isinstance(layer(error="NORMAL").bind(Target("interval", 8)).task(), PixelValues)


def test_classes_want_one_map_and_values_as_many_as_the_source_has() -> None:
    form = layer().target_form([(3, 4, 5)])
    assert form == TargetForm("pixels", shape=(1, 4, 5))
    values = layer(act="LOGISTIC", target_scale=0.5).target_form([(3, 4, 5)])
    assert values == TargetForm("pixels", shape=(3, 4, 5), is_nominal=False, scale=0.5)


def test_there_may_be_more_maps_than_classes_and_no_weights() -> None:
    bound = layer().bind(CLASSES)
    values = torch.rand(1, 4, 2, 2)

    assert bound.infer([(4, 2, 2)], DEFAULTS) == (4, 2, 2)
    assert bound.tensors([(4, 2, 2)], DEFAULTS) == ()
    assert torch.equal(built(bound, (4, 2, 2))(values), values)


def test_too_few_maps_are_refused() -> None:
    message = "got 2 maps, expected at least 3: one per class of the target's pixels"
    with pytest.raises(ShapeError, match=f"^{message}$"):
        layer().bind(CLASSES).infer([(2, 4, 4)], DEFAULTS)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"act": "TANH", "error": "ENTROPY"},
            LayerError,
            (
                "options 'act' and 'error' got 'TANH' and 'ENTROPY', expected SOFTMAX with "
                "ENTROPY, or another activation with NORMAL"
            ),
        ),
    ],
)
def test_options_that_contradict_are_refused(
    options: dict[str, Any], error: type[EngineError], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        layer(**options)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        (
            {},
            Target("interval", 8),
            "got a target that is interval, expected the classes of pixels",
        ),
        (
            {"act": "IDENTITY"},
            CLASSES,
            "got a target that is pixels, expected the values of pixels",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    options: dict[str, Any], target: Target, message: str
) -> None:
    with pytest.raises(GraphError, match=f"^{message}$"):
        layer(**options).bind(target)


def test_a_source_without_maps_is_refused() -> None:
    message = (
        "layer of type 'segmentation' got a source of shape (4,), expected maps of a known size"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        layer().target_form([(4,)])


def test_a_layer_without_its_target_has_no_task() -> None:
    message = "got no target yet, expected a bound segmentation layer"
    with pytest.raises(GraphError, match=f"^{message}$"):
        layer().task()
