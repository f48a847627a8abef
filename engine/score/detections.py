"""Objects found in images, as columns, and how well they lie.

Source: the deepLearn reference, output columns and ScoreInfo of detection (1.6).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.data.grade import grade
from engine.data.objects import COUNT, SUFFIXES, written
from engine.data.variables import ObjectsTarget
from engine.modules.boxes import suppress
from engine.score.outputs import OutputColumn, Values
from engine.score.reports import ReportRequest, in_doubles, refuse_top
from engine.score.summary import Findings
from engine.score.sums import Sums
from engine.tasks.found import Finder, Limits

Float64 = npt.NDArray[np.float64]

IOU = "Average IOU in Detection"


class DetectionReport(Sums):
    """Objects, best first: class, confidence and box; and the overlap of the true ones."""

    added = ("loss", "with_loss", "error", "with_error")

    def __init__(self, request: ReportRequest) -> None:
        refuse_top(request)
        target, task = request.target, request.task
        assert isinstance(target, ObjectsTarget)  # noqa: S101 - what such a task is bound to
        assert isinstance(task, Finder)  # noqa: S101 - what finds objects
        self.target = target
        self.task = task
        self.suffixes = SUFFIXES["YOLO" if target.coordinates == "YOLO" else "COCO"]
        self.loss = self.error = 0.0
        self.with_loss = self.with_error = 0

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        found = [OutputColumn(COUNT, "double", "Number of objects")]
        for place in range(self.task.limits.boxes):
            found.append(OutputColumn(f"_Object{place}_", "string"))
            found.append(OutputColumn(f"_P_Object{place}_", "double"))
            found += [OutputColumn(f"_Object{place}_{each}", "double") for each in self.suffixes]
        return tuple(found)

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        self._grade(raw, truth)
        return self._found(raw)

    def _grade(self, raw: Tensor, truth: Tensor | None) -> None:
        if truth is not None:
            graded = grade(self.task, raw, truth.to(raw.device))
            self.loss += float(graded.loss.double().sum().item())
            self.with_loss += int(graded.has_loss.sum().item())
            self.error += float(graded.error.double().sum().item())
            self.with_error += int(graded.has_error.sum().item())

    def _found(self, raw: Tensor) -> Values:
        predictions = self.task.predict(raw)
        values: dict[str, npt.NDArray[np.generic]] = {
            column.name: np.full(len(raw), np.nan)
            if column.type == "double"
            else np.full(len(raw), None, dtype=object)
            for column in self.columns
        }
        for row, boxes in enumerate(predictions):
            self._write(values, row, best_objects(boxes, self.task.limits))
        return values

    def _write(self, values: dict[str, npt.NDArray[np.generic]], row: int, found: Tensor) -> None:
        objects = in_doubles(found)
        size = (self.target.width, self.target.height)
        boxes = written(objects[:, 2:], self.target.coordinates, size)
        values[COUNT][row] = len(objects)
        for place, (each, box) in enumerate(zip(objects, boxes, strict=True)):
            values[f"_Object{place}_"][row] = self._name(int(each[0]))
            values[f"_P_Object{place}_"][row] = each[1]
            for suffix, cell in zip(self.suffixes, box, strict=True):
                values[f"_Object{place}_{suffix}"][row] = cell

    def _name(self, code: int) -> str:
        levels = self.target.levels
        return levels[code] if code < len(levels) else str(code)

    def findings(self) -> Findings:
        facts = {IOU: 1 - self.error / self.with_error} if self.with_error else {}
        return Findings(facts, self.loss / self.with_loss if self.with_loss else None)


class ProposalReport(DetectionReport):
    """Regions as objects of no class; where another task layer tells the objects, none of them."""

    def __init__(self, request: ReportRequest) -> None:
        super().__init__(request)
        self.is_alone = not request.suffix

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return super().columns if self.is_alone else ()

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        self._grade(raw, truth)
        return self._found(raw) if self.is_alone else {}

    def _name(self, code: int) -> str:
        del code
        return "object"


def best_objects(predictions: Tensor, limits: Limits) -> Tensor:
    """Return what is found in one image: (O, 6) of class, confidence and box, best first.

    The confidence of an object is that of its prediction times the probability of its class;
    every class of a prediction is looked at by itself.

    Args:
        predictions: (B, 5 + K) of box, confidence and class probabilities.
        limits: least confidence, most overlap of two objects of a class, most objects.
    """
    scores = predictions[:, 4:5] * predictions[:, 5:]
    place, classes = (scores >= limits.threshold).nonzero(as_tuple=True)
    boxes, confidence = predictions[place, :4], scores[place, classes]
    kept = suppress(boxes, confidence, classes, limits.overlap)[: limits.boxes]
    kinds = classes[kept].to(boxes.dtype).unsqueeze(1)
    return torch.cat([kinds, confidence[kept].unsqueeze(1), boxes[kept]], dim=1)
