import re
from typing import Any

import pytest
import torch

from engine.errors import EngineError, GraphError, LayerError, ShapeError
from engine.layers.base import Target
from engine.layers.detection import Detection
from engine.tasks.detection import Detection as Task
from tests.engine.rows import DEFAULTS, built

OBJECTS = Target("objects", 3)
PAIR = {"anchors": (1.0, 1.0, 2.0, 0.5)}


def layer(**options: Any) -> Detection:
    return Detection.model_validate(options)


def test_the_source_has_a_map_per_value() -> None:
    # 5 predictions of 20 classes: 125 maps of 13 x 13
    voc = layer(anchors=(1.0,) * 10, class_number=20)
    assert voc.infer([(125, 13, 13)], DEFAULTS) == (125, 13, 13)


def test_version_one_takes_any_shape_of_enough_values() -> None:
    voc = layer(detection_model_type="YOLOV1", class_number=20)
    assert voc.infer([(1470,)], DEFAULTS) == (1470,)
    assert voc.infer([(30, 7, 7)], DEFAULTS) == (30, 7, 7)


def test_classes_are_those_of_the_data_unless_said() -> None:
    bound = layer(**PAIR, grid_number=3).bind(OBJECTS)
    assert bound.class_number == 3
    assert layer(**PAIR, class_number=5).bind(OBJECTS).class_number == 5
    assert layer(**PAIR, grid_number=3).infer([(99, 3, 3)], DEFAULTS) == (99, 3, 3)
    assert layer(detection_model_type="YOLOV1").infer([(3,)], DEFAULTS) == (3,)


def test_options_reach_the_task() -> None:
    bound = layer(
        **PAIR,
        grid_number=3,
        softmax_for_class_prob=False,
        do_sqrt=False,
        match_anchor_size=False,
        num_to_force_coord=7,
        coord_scale=2,
        object_scale=3,
        prediction_not_a_object_scale=4,
        class_scale=6,
        force_coord_scale=8,
        detection_threshold=0.5,
        iou_threshold=0.4,
        max_boxes=9,
    ).bind(OBJECTS)
    task = bound.task()

    assert isinstance(task, Task)
    grid, scales, limits = task.grid, task.scales, task.limits
    assert (grid.cells, grid.predictions, grid.classes) == (3, 2, 3)
    assert grid.anchors == ((1.0, 1.0), (2.0, 0.5))
    assert (grid.has_softmax, task.has_roots, task.matches_anchors) == (False, False, False)
    assert (scales.coord, scales.object, scales.no_object, scales.classes) == (2, 3, 4, 6)
    assert (scales.force_coord, task.forced_rows) == (8, 7)
    assert (limits.threshold, limits.overlap, limits.boxes) == (0.5, 0.4, 9)


def test_the_layer_passes_its_source_on() -> None:
    bound = layer(**PAIR, grid_number=2).bind(OBJECTS)
    values = torch.rand(1, 16, 2, 2)
    assert torch.equal(built(bound, (16, 2, 2))(values), values)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"anchors": (1.0, 2.0, 3.0)},
            LayerError,
            "option 'anchors' got 3 numbers, expected pairs of width and height",
        ),
        (
            {},
            LayerError,
            (
                "option 'anchors' got no values, expected a width and a height per prediction, in "
                "cells"
            ),
        ),
        (
            {**PAIR, "predictions_per_grid": 3},
            LayerError,
            "option 'anchors' got 4 numbers, expected 6: a width and a height per prediction",
        ),
        (
            {**PAIR, "detection_model_type": "YOLOV1"},
            LayerError,
            (
                "option 'anchors' got values with detectionModelType 'YOLOV1', expected none: "
                "anchors belong to 'YOLOV2'"
            ),
        ),
        (
            {**PAIR, "act": "IDENTITY"},
            LayerError,
            (
                "option 'act' got 'IDENTITY' with detectionModelType 'YOLOV2', expected 'AUTO' or "
                "'LOGISTIC'"
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
    ("options", "source", "message"),
    [
        (
            {**PAIR, "class_number": 3, "grid_number": 4},
            (15, 4, 4),
            "got 15 maps, expected 16: predictionsPerGrid * (5 + classNumber) = 2 * (5 + 3)",
        ),
        (
            PAIR,
            (16, 13, 12),
            "got maps of 13 x 12, expected a square grid; make the image square",
        ),
        (PAIR, (16, 7, 7), "got maps of 7 x 7, expected 13 x 13: option 'gridNumber'"),
        (PAIR, (16,), "got (16,), expected maps of 13 x 13, one per value"),
        (
            {"detection_model_type": "YOLOV1", "class_number": 20},
            (1469,),
            (
                "got 1469 values, expected 1470: 7 x 7 cells of 20 classes and 2 predictions of 5 "
                "values"
            ),
        ),
    ],
)
def test_sources_that_do_not_fit_are_refused(
    options: dict[str, Any], source: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer(**options).infer([source], DEFAULTS)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        (
            PAIR,
            Target("nominal", 3),
            (
                "got a target that is nominal, expected objects: columns '_nObjects_', "
                "'_Object0_', '_Object0_x' and so on"
            ),
        ),
        (
            {**PAIR, "class_number": 2},
            OBJECTS,
            "option 'classNumber' got 2, expected at least 3: the number of classes in the data",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    options: dict[str, Any], target: Target, message: str
) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        layer(**options).bind(target)


def test_a_layer_without_its_target_has_no_task() -> None:
    with pytest.raises(GraphError, match=r"^got no target yet, expected a bound detection layer$"):
        layer(**PAIR).task()
