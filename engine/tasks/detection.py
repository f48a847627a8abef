"""Finding objects with a grid of predictions: YOLO, versions 1 and 2.

Shape letters: N rows, S cells on a side, P predictions in a cell, K classes, M objects of a row,
B = S * S * P predictions of a row, those of a cell side by side and cells row by row.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from engine.losses import Known, Report, Rows, Target
from engine.modules.boxes import overlap, shape_overlap
from engine.tasks.found import Limits
from engine.tasks.sampled import Source

GOOD_OVERLAP = 0.6
"""A prediction that overlaps some object by more is not blamed for its confidence (version 2)."""
MOST_EXPONENT = 8.0
"""Largest logarithm of a box's side in anchors; larger ones would overflow."""
LEAST_SIDE = 1e-6
"""Least side whose root is taken; its gradient stays finite."""


@dataclass(frozen=True)
class Grid:
    """How raw values become boxes.

    Attributes:
        cells: S.
        predictions: P.
        classes: K.
        anchors: widths and heights in cells, (P, 2); none in version 1.
        has_softmax: whether classes exclude each other.
        is_linear: version 1: values are taken as they are, not through the logistic function.
    """

    cells: int
    predictions: int
    classes: int
    anchors: tuple[tuple[float, float], ...] = ()
    has_softmax: bool = True
    is_linear: bool = False


@dataclass(frozen=True)
class Decoded:
    """The predictions of N rows.

    Attributes:
        boxes: (N, B, 4), centre, width and height in cells.
        confidence: (N, B).
        classes: (N, B, K), before softmax or logistic function.
    """

    boxes: Tensor
    confidence: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Scales:
    """Weights of the parts of the loss."""

    coord: float = 1.0
    object: float = 1.0
    no_object: float = 1.0
    classes: float = 1.0
    force_coord: float = 0.0


@dataclass
class Seen:
    """Rows a task has been trained on in this run."""

    rows: int = 0


@dataclass(frozen=True)
class Match:
    """Which prediction answers for which object.

    Attributes:
        has: (N, M), where there is an object.
        places: (N, M), its prediction, among B.
        boxes: (N, M, 4), true boxes in cells.
        classes: (N, M).
    """

    has: Tensor
    places: Tensor
    boxes: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Detection(Rows):
    """The loss of YOLO and what it finds.

    Of each object one prediction of the cell its centre lies in is responsible: in version 1 the
    one whose box overlaps it most, in version 2 the one whose anchor has the most similar shape
    (without ``matches_anchors``: whose box has). With x, y relative to the cell, w, h in cells
    (version 1: fractions of the image), c the confidence, and roots taken if ``has_roots``::

        coord    * sum of responsible (x - x̂)² + (y - ŷ)² + (√w - √ŵ)² + (√h - √ĥ)²
        object   * sum of responsible (IOU - ĉ)²
        noObject * sum of the others ĉ²; in version 2 not of those that overlap an object by > 0.6
        classes  * class error: with softmax the cross-entropy (version 1: the squared error of
                   probabilities), without it the squared error of logistic probabilities

    The overlap is taken as a constant. For the first ``forced_rows`` rows of a run every prediction
    of version 2 is also pulled to the centre of its cell and the size of its anchor. With
    ``is_shuffled`` training takes the objects of a row in an order it draws.

    The fit error of a row is one less the mean overlap of its objects with their predictions.

    Source: Redmon et al. (2016) "You only look once"; Redmon and Farhadi (2017) "YOLO9000" and its
    implementation Darknet (region layer: bias_match, thresh, 12800 rows of warm-up); the deepLearn
    reference, detection layer (2.7).
    """

    report: ClassVar[Report] = "detection"

    target: Target
    grid: Grid
    scales: Scales
    limits: Limits
    has_roots: bool = True
    matches_anchors: bool = True
    forced_rows: int = 0
    is_shuffled: bool = False
    seen: Seen = field(default_factory=Seen, compare=False)
    source: Source = field(default_factory=Source, compare=False)

    def draw_from(self, generator: torch.Generator | None) -> None:
        self.source.generator = generator

    def shuffled(self, target: Tensor) -> Tensor:
        """Return objects (N, M, 5) in an order drawn for every row."""
        keys = torch.rand(target.shape[:2], generator=self.source.generator, device=target.device)
        return _at(target, keys.argsort(dim=1))

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        target = self.shuffled(target) if self.is_shuffled else target
        is_forced = self.seen.rows < self.forced_rows
        self.seen.rows += len(raw)
        found = decode(raw, self.grid)
        loss = self._loss(found, target)
        return loss + self.scales.force_coord * self._forced(found) if is_forced else loss

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self._loss(decode(raw, self.grid), target)

    def _loss(self, found: Decoded, target: Tensor) -> Tensor:
        match = self.match(found, target)
        boxes = _at(found.boxes, match.places)
        overlaps = overlap(boxes, match.boxes).detach()
        confidence = _at(found.confidence.unsqueeze(-1), match.places).squeeze(-1)
        parts = (
            self.scales.coord * self._place_error(boxes, match.boxes)
            + self.scales.object * (overlaps - confidence).square()
            + self.scales.classes
            * self._class_error(_at(found.classes, match.places), match.classes)
        )
        idle = self._idle(found, match)
        blame = (found.confidence.square() * idle).sum(dim=1)
        return (parts * match.has).sum(dim=1) + self.scales.no_object * blame

    def match(self, found: Decoded, target: Tensor) -> Match:
        """Return which prediction answers for which object."""
        cells, count = self.grid.cells, self.grid.predictions
        has = target[..., 0] >= 0
        boxes = target[..., 1:] * cells
        column, row = (boxes[..., axis].long().clamp(0, cells - 1) for axis in (0, 1))
        first = (row * cells + column) * count
        candidates = first.unsqueeze(-1) + torch.arange(count, device=target.device)
        rivals = found.boxes.detach().gather(
            1, candidates.flatten(1).unsqueeze(-1).expand(-1, -1, 4)
        )
        rivals = rivals.reshape(*candidates.shape, 4)
        best = self._fitness(rivals, boxes.unsqueeze(2)).argmax(dim=-1)
        return Match(has, first + best, boxes, target[..., 0].long().clamp(min=0))

    def _fitness(self, rivals: Tensor, truth: Tensor) -> Tensor:
        """Return how well the predictions of a cell suit its object, (N, M, P)."""
        if not self.grid.anchors:
            return overlap(rivals, truth)
        if self.matches_anchors:
            anchors = torch.tensor(self.grid.anchors, dtype=truth.dtype, device=truth.device)
            return shape_overlap(anchors, truth[..., 2:])
        return shape_overlap(rivals[..., 2:], truth[..., 2:])

    def _idle(self, found: Decoded, match: Match) -> Tensor:
        """Return 1 where a prediction is to find nothing, (N, B)."""
        spare = found.confidence.new_zeros(len(match.has), found.confidence.shape[1] + 1)
        # where there is no object, the mark goes to a place that is cut off
        marks = match.places.masked_fill(~match.has, found.confidence.shape[1])
        idle = 1 - spare.scatter(1, marks, 1.0)[:, :-1]
        if not self.grid.anchors:
            return idle
        overlaps = overlap(found.boxes.detach().unsqueeze(2), match.boxes.unsqueeze(1))
        best = (overlaps * match.has.unsqueeze(1)).amax(dim=2)
        return idle * (best <= GOOD_OVERLAP)

    def _place_error(self, boxes: Tensor, truth: Tensor) -> Tensor:
        unit = 1.0 if self.grid.anchors else 1.0 / self.grid.cells
        sides, true_sides = boxes[..., 2:] * unit, truth[..., 2:] * unit
        if self.has_roots:
            sides = sides.clamp(min=LEAST_SIDE).sqrt()
            true_sides = true_sides.clamp(min=LEAST_SIDE).sqrt()
        centre = (boxes[..., :2] - truth[..., :2]).square().sum(dim=-1)
        return centre + (sides - true_sides).square().sum(dim=-1)

    def _class_error(self, raw: Tensor, classes: Tensor) -> Tensor:
        if self.grid.has_softmax and self.grid.anchors:
            return functional.cross_entropy(raw.movedim(-1, 1), classes, reduction="none")
        truth = functional.one_hot(classes, self.grid.classes)
        return (class_probabilities(raw, self.grid) - truth).square().sum(dim=-1)

    def _forced(self, found: Decoded) -> Tensor:
        if not self.grid.anchors:
            return found.boxes.new_zeros(len(found.boxes))
        wanted = _anchored(self.grid, found.boxes)
        return self._place_error(found.boxes, wanted.expand_as(found.boxes)).sum(dim=1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        found = decode(raw, self.grid)
        match = self.match(found, target)
        overlaps = overlap(_at(found.boxes, match.places), match.boxes) * match.has
        count = match.has.sum(dim=1)
        return torch.where(count > 0, 1 - overlaps.sum(dim=1) / count.clamp(min=1), 0.0)

    def known(self, target: Tensor) -> Known:
        every = torch.ones(len(target), dtype=torch.bool, device=target.device)
        return Known(target, every, (target[..., 0] >= 0).any(dim=1))

    def predict(self, raw: Tensor) -> Tensor:
        """Return (N, B, 5 + K): box in fractions of the image, confidence, class probabilities."""
        found = decode(raw, self.grid)
        probabilities = class_probabilities(found.classes, self.grid)
        boxes = found.boxes / self.grid.cells
        return torch.cat([boxes, found.confidence.unsqueeze(-1), probabilities], dim=-1)


def decode(raw: Tensor, grid: Grid) -> Decoded:
    """Return the predictions of raw values.

    Args:
        raw: version 2: (N, P * (5 + K), S, S), each prediction x, y, w, h, confidence and classes.
            Version 1: (N, S * S * (K + 5 P)), first the classes of every cell, then the confidences
            and then the boxes of every prediction.
        grid: their layout.
    """
    return _decode_anchored(raw, grid) if grid.anchors else _decode_plain(raw, grid)


def _decode_anchored(raw: Tensor, grid: Grid) -> Decoded:
    rows = len(raw)
    values = raw.reshape(rows, grid.predictions, 5 + grid.classes, grid.cells * grid.cells)
    values = values.permute(0, 3, 1, 2).reshape(rows, -1, 5 + grid.classes)
    start = _cells(grid, raw)
    anchors = torch.tensor(grid.anchors, dtype=raw.dtype, device=raw.device)
    anchors = anchors.repeat(grid.cells * grid.cells, 1)
    centre = values[..., :2].sigmoid() + start
    sides = values[..., 2:4].clamp(max=MOST_EXPONENT).exp() * anchors
    boxes = torch.cat([centre, sides], dim=-1)
    return Decoded(boxes, values[..., 4].sigmoid(), values[..., 5:])


def _decode_plain(raw: Tensor, grid: Grid) -> Decoded:
    rows, cells = len(raw), grid.cells * grid.cells
    sizes = [cells * grid.classes, cells * grid.predictions, cells * grid.predictions * 4]
    classes, confidence, boxes = torch.split(raw.reshape(rows, -1), sizes, dim=1)
    if not grid.is_linear:
        confidence, boxes = confidence.sigmoid(), boxes.sigmoid()
    boxes = boxes.reshape(rows, cells * grid.predictions, 4)
    sides = boxes[..., 2:].clamp(min=0) * grid.cells
    centre = boxes[..., :2] + _cells(grid, raw)
    classes = classes.reshape(rows, cells, 1, grid.classes)
    classes = classes.expand(-1, -1, grid.predictions, -1).reshape(rows, -1, grid.classes)
    return Decoded(torch.cat([centre, sides], dim=-1), confidence, classes)


def class_probabilities(raw: Tensor, grid: Grid) -> Tensor:
    """Return probabilities of classes, (..., K)."""
    return raw.softmax(dim=-1) if grid.has_softmax else raw.sigmoid()


def _cells(grid: Grid, like: Tensor) -> Tensor:
    """Return the left top corner of every prediction's cell, (B, 2)."""
    steps = torch.arange(grid.cells, dtype=like.dtype, device=like.device)
    row, column = torch.meshgrid(steps, steps, indexing="ij")
    corners = torch.stack([column, row], dim=-1).reshape(-1, 2)
    return corners.repeat_interleave(grid.predictions, dim=0)


def _anchored(grid: Grid, like: Tensor) -> Tensor:
    """Return boxes in the middle of every cell and of the size of every anchor, (B, 4)."""
    anchors = torch.tensor(grid.anchors, dtype=like.dtype, device=like.device)
    sizes = anchors.repeat(grid.cells * grid.cells, 1)
    return torch.cat([_cells(grid, like) + 0.5, sizes], dim=-1)


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Return values (N, M, D) of places (N, M) among (N, B, D)."""
    return values.gather(1, places.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
