import re
from typing import Any

import pytest
from pydantic import ValidationError

from engine.errors import EngineError, GraphError, ShapeError
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import Target
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.regions import FastRCNN, RegionProposal, ROIPooling
from engine.tasks.found import Limits
from engine.tasks.regions import Proposing, Recognising
from tests.engine.rows import DEFAULTS

OBJECTS = Target("objects", 2, image=(64, 64))


def proposal(**options: Any) -> RegionProposal:
    given = {"anchor_ratio": (1.0, 4.0), "anchor_scale": (1.0, 2.0), **options}
    return RegionProposal.model_validate(given)


def test_anchors_keep_their_area_in_every_ratio() -> None:
    assert proposal().sides == ((16.0, 16.0), (32.0, 32.0), (8.0, 32.0), (16.0, 64.0))


def test_as_many_regions_are_handed_on_as_asked_for() -> None:
    assert proposal().infer([(24, 4, 4)], DEFAULTS) == (128, 5)
    assert proposal(roi_train_sample_num=7).infer_open() == (7, 5)
    assert ROIPooling().infer([(512, 30, 40), (128, 5)], DEFAULTS) == (128, 512 * 49)
    assert FastRCNN().infer([(9, 21), (9, 84), (9, 5)], DEFAULTS) == (9, 110)


def test_options_reach_the_tasks() -> None:
    task = proposal(anchor_num_to_sample=9, roi_train_sample_num=7).bind(OBJECTS).task()
    assert isinstance(task, Proposing)
    assert (task.samples, task.limits, task.image) == (9, Limits(0.5, 0.7, 7), (64, 64))
    found = FastRCNN(detection_threshold=0.6, nms_iou_threshold=0.2, max_object_num=3)
    assert found.bind(OBJECTS).task() == Recognising(OBJECTS, 20, Limits(0.6, 0.2, 3))
    form = FastRCNN(max_label_per_image=4).target_form([None])
    assert (form.kind, form.coordinates, form.most) == ("objects", "COCO", 4)
    assert proposal(coord_type="RECT").target_form([None]).coordinates == "RECT"


def test_anchors_are_needed() -> None:
    with pytest.raises(ValidationError):
        proposal(anchor_ratio=())


def test_layers_may_follow_proposals_and_no_other_task() -> None:
    graph = Graph("net").add("data", Input(n_channels=24, width=4, height=4))
    graph = graph.add("regions", proposal(), ["data"])
    graph = graph.add("parts", ROIPooling(), ["data", "regions"])
    graph = graph.add("fc", FullyConnected(n=3), ["parts"])
    graph = graph.add("out", Output(), ["fc"])
    bound = bind(graph, {}, {"regions": OBJECTS, "out": Target("nominal", 2)})

    assert bound.shapes["parts"] == (128, 24 * 49)
    message = (
        "layer 'more' (fc) got source 'out', which ends a network; expected a layer without a loss"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        graph.add("more", FullyConnected(n=3), ["out"])


@pytest.mark.parametrize(
    ("layer", "sources", "message"),
    [
        (
            proposal(),
            [(23, 4, 4)],
            "got 23 maps, expected 24: 6 for each of 4 anchors, a ratio and a scale each",
        ),
        (
            ROIPooling(),
            [(8, 4, 4), (9, 4)],
            "got (9, 4) as regions, expected (regions, 5) of a regionproposal layer",
        ),
        (
            FastRCNN(class_number=2),
            [(9, 3), (9, 8), (9, 5)],
            (
                "got (9, 3) and (9, 8), expected (9, 3) and (9, 12): a score and four shifts of "
                "background and each class, of every region"
            ),
        ),
    ],
)
def test_sources_that_do_not_fit_are_refused(
    layer: Any, sources: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer.infer(sources, DEFAULTS)


@pytest.mark.parametrize("layer", [proposal(), FastRCNN()])
def test_targets_that_are_no_objects_are_refused(layer: Any) -> None:
    message = (
        "got a target that is nominal, expected objects: columns '_nObjects_', '_Object0_', "
        "'_Object0_x' and so on"
    )
    with pytest.raises(GraphError, match=f"^{message}$"):
        layer.bind(Target("nominal", 2))


def test_more_classes_than_declared_are_refused() -> None:
    message = "option 'classNumber' got 1, expected at least 2: the number of classes in the data"
    with pytest.raises(GraphError, match=f"^{message}$"):
        FastRCNN(class_number=1).bind(OBJECTS)


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda: proposal().task(), "regionproposal"),
        (lambda: proposal().build([(24, 4, 4)], DEFAULTS), "regionproposal"),
        (lambda: FastRCNN().task(), "fastrcnn"),
    ],
)
def test_a_layer_without_its_target_does_nothing(work: Any, name: str) -> None:
    with pytest.raises(EngineError, match=f"^got no target yet, expected a bound {name} layer$"):
        work()
