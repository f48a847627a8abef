"""The layer that finds objects in images."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    model_validator,
)
from torch import nn

from engine.errors import GraphError, LayerError, ShapeError
from engine.layers.base import (
    BuildOptions,
    Synonyms,
    Target,
    TargetForm,
    Task,
    TaskLayer,
    layer_type,
)
from engine.losses import Coordinates
from engine.shapes import IMAGE_AXES, Shape, one
from engine.tasks.detection import Detection as DetectionTask
from engine.tasks.detection import Grid, Scales
from engine.tasks.found import Limits

BOX = 5
"""Values of a prediction besides its classes: x, y, width, height, confidence."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


@layer_type
class Detection(TaskLayer):
    """Find objects: their classes and their boxes, by the methods YOLO 1 and YOLO 2.

    The image is cut into ``gridNumber`` x ``gridNumber`` cells of ``predictionsPerGrid``
    predictions each. The layer has no weights; its source gives for YOLOV2 one map per value, of
    the size of the grid: x, y, width, height, confidence and classes of the first prediction, of
    the second and so on; for YOLOV1 any shape of as many values, of all cells the classes, then
    the confidences, then the boxes.

    Shapes: YOLOV2 (P * (5 + K), S, S), YOLOV1 S * S * (5 P + K) values → the same.

    Source: the deepLearn reference, layer type detection (2.7); Redmon et al. (2016); Redmon and
    Farhadi (2017).
    """

    code: ClassVar[int] = 11
    prefix: ClassVar[str] = "detectionopts"
    title: ClassVar[str] = "Detection"

    type: Literal["detection"] = "detection"
    detection_model_type: Annotated[
        Literal["YOLOV2", "YOLOV1"], Synonyms({"1": "YOLOV1", "2": "YOLOV2"})
    ] = "YOLOV2"
    """The method."""
    class_number: PositiveInt | None = None
    """Number of classes; None takes those of the training data."""
    grid_number: PositiveInt | None = None
    """Cells on a side; None takes 13, and 7 for YOLOV1."""
    predictions_per_grid: PositiveInt | None = None
    """Predictions in a cell; None takes 2 for YOLOV1, else one per anchor."""
    anchors: tuple[Annotated[float, Field(gt=0.0)], ...] = ()
    """Width and height of one box after the other, in cells; needed for YOLOV2."""
    softmax_for_class_prob: bool = True
    """Whether the classes of a prediction exclude each other."""
    coord_type: Annotated[Coordinates, Synonyms({"0": "RECT", "1": "YOLO", "2": "COCO"})] = "RECT"
    """Boxes in tables: RECT left, top, width, height and COCO left, top, right, bottom, both in
    pixels; YOLO centre, width, height as fractions of the image."""
    do_sqrt: bool = True
    """Compare roots of widths and heights, so that small boxes count as much as large ones."""
    coord_scale: NonNegativeFloat = 1.0
    """Weight of the error of centre and size."""
    object_scale: NonNegativeFloat = 5.0
    """Weight of the error of the confidence where there is an object."""
    prediction_not_a_object_scale: NonNegativeFloat = 1.0
    """Weight of the confidence where there is none."""
    class_scale: NonNegativeFloat = 1.0
    """Weight of the error of the class."""
    detection_threshold: Fraction = 0.2
    """Least confidence, times the class probability, of an object that is told."""
    iou_threshold: Fraction = 0.2
    """Most overlap of two objects of a class; of those that overlap more the best is told."""
    max_boxes: PositiveInt = 30
    """Most objects of an image that are told."""
    max_label_per_image: PositiveInt = 30
    """Most true objects of an image that are learned from; the first ones of the table."""
    match_anchor_size: bool = True
    """YOLOV2: the prediction whose anchor suits an object's size is to find it, else the one whose
    predicted box does."""
    num_to_force_coord: NonNegativeInt = 0
    """YOLOV2: images of the start of a training run during which all predictions are also drawn to
    the centre of their cell and the size of their anchor."""
    force_coord_scale: NonNegativeFloat = 0.01
    """Weight of that."""
    random_boxes: bool = False
    """Shuffle the true objects of every image in training; a loss that is a sum over them stays the
    same."""
    act: Literal["AUTO", "LOGISTIC", "IDENTITY"] = "AUTO"
    """Activation of centres and confidences, of YOLOV1 of sizes too; AUTO is LOGISTIC."""

    _target: Target | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.anchors) % 2:
            raise LayerError(
                f"option 'anchors' got {len(self.anchors)} numbers, expected pairs of width and "
                "height",
                option="anchors",
                got=len(self.anchors),
            )
        if self.detection_model_type == "YOLOV1":
            self._check_plain()
        else:
            self._check_anchored()
        return self

    def _check_plain(self) -> None:
        if self.anchors:
            raise LayerError(
                "option 'anchors' got values with detectionModelType 'YOLOV1', expected none: "
                "anchors belong to 'YOLOV2'",
                option="anchors",
            )

    def _check_anchored(self) -> None:
        if not self.anchors:
            raise LayerError(
                "option 'anchors' got no values, expected a width and a height per prediction, in "
                "cells",
                option="anchors",
            )
        pairs, asked = len(self.anchors) // 2, self.predictions_per_grid
        if asked not in (None, pairs):
            raise LayerError(
                f"option 'anchors' got {len(self.anchors)} numbers, expected {2 * asked}: a width "
                "and a height per prediction",
                option="anchors",
                got=len(self.anchors),
                expected=2 * asked,
            )
        if self.act == "IDENTITY":
            raise LayerError(
                "option 'act' got 'IDENTITY' with detectionModelType 'YOLOV2', expected 'AUTO' or "
                "'LOGISTIC'",
                option="act",
                got="IDENTITY",
            )

    @property
    def cells(self) -> int:
        """Cells on a side."""
        return self.grid_number or (7 if self.detection_model_type == "YOLOV1" else 13)

    @property
    def predictions(self) -> int:
        """Predictions in a cell."""
        if self.detection_model_type == "YOLOV1":
            return self.predictions_per_grid or 2
        return len(self.anchors) // 2

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        del sources
        return TargetForm("objects", coordinates=self.coord_type, most=self.max_label_per_image)

    def bind(self, target: Target) -> Self:
        if target.kind != "objects":
            raise GraphError(
                f"got a target that is {target.kind}, expected objects: columns '_nObjects_', "
                "'_Object0_', '_Object0_x' and so on",
                got=target.kind,
            )
        classes = self.class_number or target.size
        if classes < target.size:
            raise GraphError(
                f"option 'classNumber' got {classes}, expected at least {target.size}: the number "
                "of classes in the data",
                option="classNumber",
                got=classes,
                expected=target.size,
            )
        bound = self.model_copy(update={"class_number": classes})
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None or self.class_number is None:
            raise GraphError("got no target yet, expected a bound detection layer")
        pairs = zip(self.anchors[::2], self.anchors[1::2], strict=True)
        return DetectionTask(
            self._target,
            Grid(
                self.cells,
                self.predictions,
                self.class_number,
                tuple(pairs),
                self.softmax_for_class_prob,
                self.act == "IDENTITY",
            ),
            Scales(
                self.coord_scale,
                self.object_scale,
                self.prediction_not_a_object_scale,
                self.class_scale,
                self.force_coord_scale,
            ),
            Limits(self.detection_threshold, self.iou_threshold, self.max_boxes),
            self.do_sqrt,
            self.match_anchor_size,
            self.num_to_force_coord,
            self.random_boxes,
        )

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        shape = one(sources)
        if self.detection_model_type == "YOLOV1":
            self._check_values(shape)
        else:
            self._check_maps(shape)
        return shape

    def _check_values(self, shape: Shape) -> None:
        if self.class_number is None:
            return
        depth = BOX * self.predictions + self.class_number
        wanted = depth * self.cells**2
        if prod(shape) != wanted:
            raise ShapeError(
                f"got {prod(shape)} values, expected {wanted}: {self.cells} x {self.cells} cells "
                f"of {self.class_number} classes and {self.predictions} predictions of {BOX} "
                "values",
                got=prod(shape),
                expected=wanted,
            )

    def _check_maps(self, shape: Shape) -> None:
        if len(shape) != IMAGE_AXES:
            raise ShapeError(
                f"got {shape}, expected maps of {self.cells} x {self.cells}, one per value",
                source=list(shape),
            )
        depth, height, width = shape
        if height != width:
            raise ShapeError(
                f"got maps of {height} x {width}, expected a square grid; make the image square",
                got=[height, width],
            )
        if height != self.cells:
            raise ShapeError(
                f"got maps of {height} x {width}, expected {self.cells} x {self.cells}: option "
                "'gridNumber'",
                got=[height, width],
                expected=self.cells,
            )
        if self.class_number is None:
            return
        wanted = self.predictions * (BOX + self.class_number)
        if depth != wanted:
            raise ShapeError(
                f"got {depth} maps, expected {wanted}: predictionsPerGrid * (5 + classNumber) = "
                f"{self.predictions} * (5 + {self.class_number})",
                got=depth,
                expected=wanted,
            )

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return nn.Identity()
