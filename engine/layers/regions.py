"""Layers that find objects in two steps: Faster R-CNN."""

from collections.abc import Sequence
from math import sqrt
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, PrivateAttr
from torch import nn

from engine.errors import GraphError, ShapeError
from engine.layers.base import (
    Arity,
    BuildOptions,
    Layer,
    Target,
    TargetForm,
    Task,
    TaskLayer,
    layer_type,
)
from engine.losses import Coordinates
from engine.modules.regions import VALUES, Proposals, RegionPooling, SideBySide, anchor_boxes
from engine.shapes import SEQUENCE_AXES, Shape, image
from engine.tasks.found import Limits
from engine.tasks.regions import Proposing, Recognising

REGION = 5
"""Values of a region: objectness, left, top, right, bottom."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Automatic = Literal["AUTO", "IDENTITY"]


def checked_target(target: Target) -> Target:
    """Return a target that is objects.

    Raises:
        GraphError: it is another.
    """
    if target.kind != "objects":
        raise GraphError(
            f"got a target that is {target.kind}, expected objects: columns '_nObjects_', "
            "'_Object0_', '_Object0_x' and so on",
            got=target.kind,
        )
    return target


@layer_type
class RegionProposal(TaskLayer):
    """Propose regions that may hold an object, from anchors at every place of the maps.

    The source has six maps per anchor: background, object, and how to move and stretch it. The
    regions go to a ``roipooling`` layer; with ``doRPNOnly`` they are what is predicted. Anchors are
    ratio by ratio, scale by scale; a ratio is height to width.

    Shapes: (6 A, H, W) → (ROITrainSampleNum, 5): objectness, left, top, right, bottom in pixels.

    Source: the deepLearn reference, layer type regionproposal; Ren et al. (2015).
    """

    code: ClassVar[int] = 23
    prefix: ClassVar[str] = "dlregionproposalopts"
    title: ClassVar[str] = "Region Proposal"
    feeds: ClassVar[bool] = True

    type: Literal["regionproposal"] = "regionproposal"
    anchor_ratio: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Heights of anchors to their widths."""
    anchor_scale: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Roots of the areas of anchors, in ``baseAnchorSize``."""
    base_anchor_size: PositiveInt = 16
    """Side of the anchor of scale 1, in pixels."""
    anchor_num_to_sample: PositiveInt = 256
    """Anchors of an image the loss is made of, at most half of them objects."""
    coord_type: Coordinates = "COCO"
    """Boxes in tables, as in the detection layer."""
    do_rpn_only: bool = False
    """Accepted; where no layer follows, the regions are what is predicted."""
    max_label_per_image: PositiveInt = 200
    """Most true objects of an image that are learned from."""
    proposed_roi_num_train: PositiveInt = 2000
    """Training: likeliest regions that are compared with each other."""
    proposed_roi_num_score: PositiveInt = 300
    """Scoring: likeliest regions that are compared with each other."""
    roi_train_sample_num: PositiveInt = 128
    """Regions that are handed on."""
    act: Literal["AUTO", "IDENTITY", "LOGISTIC", "SOFTMAX"] = "AUTO"
    """Of background and object; any of them is SOFTMAX."""

    _target: Target | None = PrivateAttr(default=None)

    @property
    def sides(self) -> tuple[tuple[float, float], ...]:
        """Width and height of every anchor, in pixels."""
        return tuple(
            (
                self.base_anchor_size * scale / sqrt(ratio),
                self.base_anchor_size * scale * sqrt(ratio),
            )
            for ratio in self.anchor_ratio
            for scale in self.anchor_scale
        )

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        del sources
        return TargetForm("objects", coordinates=self.coord_type, most=self.max_label_per_image)

    def bind(self, target: Target) -> Self:
        bound = self.model_copy()
        bound._target = checked_target(target)
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound regionproposal layer")
        limits = Limits(0.5, 0.7, self.roi_train_sample_num)
        return Proposing(self._target, self.sides, self.anchor_num_to_sample, limits)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        maps, wanted = image(sources)[0], VALUES * len(self.sides)
        if maps != wanted:
            raise ShapeError(
                f"got {maps} maps, expected {wanted}: {VALUES} for each of {len(self.sides)} "
                "anchors, a ratio and a scale each",
                got=maps,
                expected=wanted,
            )
        return self.infer_open()

    def infer_open(self) -> Shape | None:
        return self.roi_train_sample_num, REGION

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        if self._target is None or self._target.image is None:
            raise GraphError("got no target yet, expected a bound regionproposal layer")
        _, height, width = image(sources)
        anchors = anchor_boxes(self.sides, (height, width), self._target.image)
        most = (self.proposed_roi_num_train, self.proposed_roi_num_score)
        return Proposals(anchors, self._target.image, most, self.roi_train_sample_num)


@layer_type
class ROIPooling(Layer):
    """Cut regions out of maps and make them equally large, by the largest value of each part.

    The first source gives the maps, the second the regions. The regions become the steps of a
    sequence: layers that follow treat them one by one, fully connected ones as if with ``perStep``.

    Shapes: (C, H, W) and (R, 5) → (R, C * outputHeight * outputWidth).

    Source: the deepLearn reference, layer type roipooling; Girshick (2015) "Fast R-CNN".
    """

    code: ClassVar[int] = 24
    prefix: ClassVar[str] = "dlroipoolingopts"
    title: ClassVar[str] = "ROI Pooling"
    arity: ClassVar[Arity] = Arity(2, 2)

    type: Literal["roipooling"] = "roipooling"
    output_height: PositiveInt = 7
    """Parts of a region, one below the other."""
    output_width: PositiveInt = 7
    """Parts of a region, side by side."""
    spatial_scale: PositiveFloat = 0.0625
    """Cells of the maps to pixels of the image."""
    act: Automatic = "AUTO"
    """There is none."""

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        maps = image(sources[:1])
        regions = checked_regions(sources[1])
        return regions, maps[0] * self.output_height * self.output_width

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return RegionPooling(self.output_height, self.output_width, self.spatial_scale)


@layer_type
class FastRCNN(TaskLayer):
    """Tell what is in regions and where exactly: the second step of Faster R-CNN.

    The sources give of every region the scores of background and each class, then for each of them
    how to move and stretch the region, then the regions themselves.

    Shapes: (R, K + 1), (R, 4 (K + 1)), (R, 5) → (R, 5 K + 10), side by side.

    Source: the deepLearn reference, layer type fastrcnn; Girshick (2015); Ren et al. (2015).
    """

    code: ClassVar[int] = 25
    prefix: ClassVar[str] = "dlfastrcnnopts"
    title: ClassVar[str] = "Fast RCNN"
    arity: ClassVar[Arity] = Arity(3, 3)

    type: Literal["fastrcnn"] = "fastrcnn"
    class_number: PositiveInt = 20
    """Number of classes, background not counted."""
    detection_threshold: Fraction = 0.5
    """Least probability of an object that is told."""
    max_label_per_image: PositiveInt = 200
    """Most true objects of an image that are learned from."""
    max_object_num: PositiveInt = 50
    """Most objects of an image that are told."""
    nms_iou_threshold: Fraction = 0.3
    """Most overlap of two objects of a class; of those that overlap more the best is told."""
    coord_type: Coordinates = "COCO"
    """Boxes in tables, as in the detection layer; an extension."""
    act: Automatic = "AUTO"
    """Scores become probabilities by softmax."""

    _target: Target | None = PrivateAttr(default=None)

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        del sources
        return TargetForm("objects", coordinates=self.coord_type, most=self.max_label_per_image)

    def bind(self, target: Target) -> Self:
        if checked_target(target).size > self.class_number:
            raise GraphError(
                f"option 'classNumber' got {self.class_number}, expected at least {target.size}: "
                "the number of classes in the data",
                option="classNumber",
                got=self.class_number,
                expected=target.size,
            )
        bound = self.model_copy()
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound fastrcnn layer")
        limits = Limits(self.detection_threshold, self.nms_iou_threshold, self.max_object_num)
        return Recognising(self._target, self.class_number, limits)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        kinds = self.class_number + 1
        regions = checked_regions(sources[2])
        wanted = ((regions, kinds), (regions, 4 * kinds))
        if tuple(sources[:2]) != wanted:
            raise ShapeError(
                f"got {sources[0]} and {sources[1]}, expected {wanted[0]} and {wanted[1]}: a score "
                "and four shifts of background and each class, of every region",
                got=[list(shape) for shape in sources[:2]],
                expected=[list(shape) for shape in wanted],
            )
        return regions, 5 * kinds + REGION

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return SideBySide()


def checked_regions(shape: Shape) -> int:
    """Return the number of regions of a source.

    Raises:
        ShapeError: it gives no regions.
    """
    if len(shape) != SEQUENCE_AXES or shape[1] != REGION:
        raise ShapeError(
            f"got {shape} as regions, expected (regions, {REGION}) of a regionproposal layer",
            got=list(shape),
        )
    return shape[0]
