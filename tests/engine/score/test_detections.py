import numpy as np
import pytest
import torch

from engine.data.variables import ObjectColumns, ObjectsTarget
from engine.errors import DataError
from engine.losses import Coordinates
from engine.score.detections import DetectionReport, best_objects
from engine.score.makers import make_report
from engine.score.reports import ReportRequest
from engine.tasks.detection import Detection, Grid, Scales
from engine.tasks.found import Limits
from engine.tasks.regions import Proposing
from tests.engine.found import brute_overlap

LIMITS = Limits(0.3, 0.5, 2)


def spec(coordinates: Coordinates = "YOLO") -> ObjectsTarget:
    names = ObjectColumns(label="_Object0_", box=("a", "b", "c", "d"))
    return ObjectsTarget(
        layer="found",
        count=None,
        objects=(names,),
        levels=("cat", "dog"),
        coordinates=coordinates,
        height=20,
        width=10,
    )


def report(coordinates: Coordinates = "YOLO", classes: int = 2) -> DetectionReport:
    target = spec(coordinates)
    grid = Grid(1, 3, classes, is_linear=True, has_softmax=False)
    task = Detection(target.target, grid, Scales(), LIMITS)
    made = make_report(ReportRequest(task, target))
    assert isinstance(made, DetectionReport)
    return made


def raw(
    boxes: list[list[float]], confidence: list[float], classes: tuple[float, ...] = (-99.0, 99.0)
) -> torch.Tensor:
    return torch.tensor([[*classes, *confidence, *(each for box in boxes for each in box)]])


TWO = [[0.5, 0.5, 0.4, 0.2], [0.5, 0.5, 0.4, 0.22], [0.1, 0.1, 0.1, 0.1]]


def test_columns_are_the_count_and_six_for_every_object() -> None:
    assert [column.name for column in report().columns][:7] == [
        "_nObjects_",
        "_Object0_",
        "_P_Object0_",
        "_Object0_x",
        "_Object0_y",
        "_Object0_width",
        "_Object0_height",
    ]
    assert len(report().columns) == 1 + 2 * 6
    assert [column.name for column in report("COCO").columns][3:7] == [
        "_Object0_xmin",
        "_Object0_ymin",
        "_Object0_xmax",
        "_Object0_ymax",
    ]


def test_the_best_of_boxes_that_overlap_is_told_and_the_unsure_are_not() -> None:
    values = report().add(raw(TWO, [0.8, 0.9, 0.2]), None)

    assert values["_nObjects_"].tolist() == [1.0]
    assert values["_Object0_"].tolist() == ["dog"]
    assert values["_P_Object0_"][0] == pytest.approx(0.9)
    box = [values[f"_Object0_{name}"][0] for name in ("x", "y", "width", "height")]
    assert box == pytest.approx([0.5, 0.5, 0.4, 0.22])
    assert values["_Object1_"].tolist() == [None]
    assert np.isnan(values["_P_Object1_"]).all()


@pytest.mark.parametrize("coordinates", ["COCO", "RECT"])
def test_boxes_in_pixels_are_corners(coordinates: Coordinates) -> None:
    values = report(coordinates).add(raw(TWO, [0.9, 0.1, 0.2]), None)

    box = [values[f"_Object0_{name}"][0] for name in ("xmin", "ymin", "xmax", "ymax")]
    assert box == pytest.approx([3.0, 8.0, 7.0, 12.0])


def test_a_class_without_a_name_is_told_by_its_number() -> None:
    values = report(classes=3).add(raw(TWO, [0.9, 0.1, 0.2], (-99.0, -99.0, 99.0)), None)
    assert values["_Object0_"].tolist() == ["2"]


def test_one_prediction_may_be_two_objects_where_classes_do_not_exclude_each_other() -> None:
    values = report().add(raw(TWO, [0.9, 0.1, 0.1], (99.0, 99.0)), None)
    assert sorted(values[f"_Object{place}_"][0] for place in (0, 1)) == ["cat", "dog"]


def test_no_more_objects_are_told_than_asked_for() -> None:
    boxes = torch.tensor([[x, 0.5, 0.1, 0.1, 0.9, 1.0] for x in (0.1, 0.5, 0.9)])
    assert len(best_objects(boxes, LIMITS)) == 2


def test_the_average_overlap_leaves_out_images_without_objects() -> None:
    made = report()
    two = torch.cat([raw(TWO, [0.9, 0.1, 0.2])] * 2)
    nothing = [-1.0, 0.0, 0.0, 0.0, 0.0]
    truth = torch.tensor([[[1.0, 0.5, 0.5, 0.4, 0.4]], [nothing]])
    made.add(two, truth)
    findings = made.findings()

    best = brute_overlap((0.5, 0.5, 0.4, 0.22), (0.5, 0.5, 0.4, 0.4))
    assert findings.facts == pytest.approx({"Average IOU in Detection": best})
    losses = made.task.loss(two, truth)
    assert findings.loss == pytest.approx(losses.mean().item())


def test_without_truth_nothing_is_found_out() -> None:
    made = report()
    made.add(raw(TWO, [0.9, 0.1, 0.2]), None)
    assert (made.findings().facts, made.findings().loss) == ({}, None)


def test_the_likeliest_levels_of_objects_are_refused() -> None:
    target = spec()
    task = Detection(target.target, Grid(1, 3, 2), Scales(), LIMITS)
    message = "topProbs got 2 but target '_Object0_' is none of levels, expected a nominal one"
    with pytest.raises(DataError, match=f"^{message}$"):
        make_report(ReportRequest(task, target, top_probs=2))


def test_regions_are_told_as_objects_unless_another_layer_tells_them() -> None:
    target = spec("COCO")
    task = Proposing(target.target, ((5.0, 10.0),), limits=LIMITS)
    raw_maps = torch.zeros(1, 6, 1, 1)
    raw_maps[0, 1] = 3.0
    truth = torch.tensor([[[0.0, 0.5, 0.5, 0.5, 0.5]]])

    alone = make_report(ReportRequest(task, target))
    values = alone.add(raw_maps, truth)
    first = make_report(ReportRequest(task, target, suffix="4"))

    assert values["_Object0_"].tolist() == ["object"]
    box = [values[f"_Object0_{name}"][0] for name in ("xmin", "ymin", "xmax", "ymax")]
    assert box == pytest.approx([2.5, 5.0, 7.5, 15.0])
    assert alone.findings().facts == pytest.approx({"Average IOU in Detection": 1.0})
    assert (first.columns, first.add(raw_maps, truth)) == ((), {})
    assert first.findings().facts == alone.findings().facts
