"""Predicted pixels as columns or images, and how many are right.

Source: the deepLearn reference, output columns and ScoreInfo of segmentation (1.6); Long et al.
(2015) "Fully convolutional networks for semantic segmentation" for the four measures.
"""

from base64 import b64encode
from math import nan, prod
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.data.grade import Grade, grade
from engine.data.images import encode_image
from engine.data.variables import PixelsTarget
from engine.losses import ABSENT
from engine.score.outputs import OutputColumn, Values
from engine.score.reports import ReportRequest, in_doubles, refuse_top
from engine.score.summary import MISCLASSIFICATION, Findings, class_scores
from engine.score.sums import Sums
from engine.tasks.segmentation import ImageType, PixelEntropy, PixelValues

Counts = npt.NDArray[np.int64]

MEASURES = ("_DL_Pixel_Acc_", "_DL_Mean_Acc_", "_DL_Mean_IU_", "_DL_Freq_IU_")
BYTE = 255


class Losses(Sums):
    """The sum of losses."""

    added = ("total", "rows")

    def __init__(self) -> None:
        self.total = 0.0
        self.rows = 0

    def add(self, graded: Grade) -> None:
        """Take the losses of scored rows."""
        self.total += float(graded.loss.double().sum().item())
        self.rows += int(graded.has_loss.sum().item())

    @property
    def mean(self) -> float | None:
        """The mean, None without rows."""
        return self.total / self.rows if self.rows else None


class SegmentationReport(Sums):
    """The class of every pixel; pixel accuracy, mean accuracy, mean and weighted overlap."""

    added = ("losses", "counts", "all_pixels")

    def __init__(self, request: ReportRequest) -> None:
        refuse_top(request)
        target, task = request.target, request.task
        assert isinstance(target, PixelsTarget)  # noqa: S101 - what such a task is bound to
        assert isinstance(task, PixelEntropy)  # noqa: S101 - what names this report
        self.target = target
        self.task = task
        self.pixels = prod(target.shape[1:])
        self.losses = Losses()
        levels = len(target.levels)
        self.counts: Counts = np.zeros((levels, levels), dtype=np.int64)
        self.all_pixels = 0

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        found = list(picture_columns(self.task.image_type, "_DL_PredName{}_", self.pixels))
        if self.task.tells_probability:
            found += [OutputColumn(f"_DL_PredP{place}_", "double") for place in range(self.pixels)]
        return (*found, *(OutputColumn(name, "double") for name in MEASURES))

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        known = self.task.predict(raw)[:, : len(self.target.levels)]
        best = known.argmax(dim=1).cpu().numpy()
        values: dict[str, npt.NDArray[Any]] = {}
        if self.task.image_type == "WIDE":
            names = np.array(self.target.levels, dtype=object)[best.reshape(len(best), -1)]
            values = {f"_DL_PredName{place}_": names[:, place] for place in range(self.pixels)}
        else:
            shades = self._shades[best][:, np.newaxis]
            values["_DL_PredImg_"] = pictures(shades, self.task.image_type)
        if self.task.tells_probability:
            sure = in_doubles(known.amax(dim=1)).reshape(len(best), -1)
            values |= {f"_DL_PredP{place}_": sure[:, place] for place in range(self.pixels)}
        return values | self._compared(raw, best, truth)

    @property
    def _shades(self) -> npt.NDArray[np.uint8]:
        """The pixel of every class: its own value where a byte can hold it, else its place."""
        own = [float(level) for level in self.target.levels]
        is_byte = all(value.is_integer() and 0 <= value <= BYTE for value in own)
        shades: npt.NDArray[np.uint8] = np.array(
            own if is_byte else range(len(own)), dtype=np.float64
        ).astype(np.uint8)
        return shades

    def _compared(
        self, raw: Tensor, best: Counts, truth: Tensor | None
    ) -> dict[str, npt.NDArray[Any]]:
        measures = np.full((len(best), len(MEASURES)), nan)
        if truth is not None:
            self.losses.add(grade(self.task, raw, truth.to(raw.device)))
            codes = truth.numpy().astype(np.int64)
            for row, (found, true) in enumerate(zip(best, codes, strict=True)):
                counts = confusion(found, true, len(self.target.levels))
                pixels = int((true != ABSENT).sum())
                self.counts += counts
                self.all_pixels += pixels
                if pixels:
                    measures[row] = list(accuracies(counts, pixels).values())
        return dict(zip(MEASURES, measures.T, strict=True))

    def findings(self) -> Findings:
        if not self.all_pixels:
            return Findings({}, self.losses.mean)
        measured = accuracies(self.counts, self.all_pixels)
        facts = {MISCLASSIFICATION: 100 * (1 - measured["Pixel Accuracy (%)"])}
        facts |= {name: 100 * value for name, value in measured.items()}
        true, found, right = self.counts.sum(1), self.counts.sum(0), self.counts.diagonal()
        classes = class_scores(self.target.levels, true, found, right)
        return Findings(facts, self.losses.mean, classes)


def confusion(found: Counts, true: Counts, classes: int) -> Counts:
    """Return the pixels of an image by true and by predicted class, (K, K)."""
    here = true >= 0
    places = true[here] * classes + found[here]
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def accuracies(counts: Counts, pixels: int) -> dict[str, float]:
    """Return pixel accuracy, mean accuracy, mean and frequency-weighted overlap, as fractions.

    Classes that do not occur are left out of the means.

    Args:
        counts: pixels by true and by predicted class.
        pixels: all of them, with those of a class that training did not see.
    """
    right, true, found = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    here = true > 0
    union = (true + found - right)[here]
    ious = right[here] / union
    return {
        "Pixel Accuracy (%)": float(right.sum() / pixels),
        "Mean Accuracy (%)": float((right[here] / true[here]).mean()) if here.any() else 0.0,
        "Mean IoU (%)": float(ious.mean()) if here.any() else 0.0,
        "Frequency Weighted IoU (%)": float((true[here] * ious).sum() / pixels),
    }


class PixelValuesReport(Sums):
    """The values of every pixel in the target's own units, and their mean absolute error."""

    added = ("losses", "error", "rows")

    def __init__(self, request: ReportRequest) -> None:
        refuse_top(request)
        target, task = request.target, request.task
        assert isinstance(target, PixelsTarget)  # noqa: S101 - what such a task is bound to
        assert isinstance(task, PixelValues)  # noqa: S101 - what names this report
        self.target = target
        self.task = task
        self.losses = Losses()
        self.error = 0.0
        self.rows = 0

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        size = prod(self.target.shape)
        return picture_columns(self.task.image_type, "_DL_Pred{}_", size, "double")

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        predictions = in_doubles(self.task.predict(raw)) / self.target.scale
        if truth is not None:
            graded = grade(self.task, raw, truth.to(raw.device))
            self.losses.add(graded)
            here = graded.has_error.cpu().numpy()
            gap = predictions - truth.double().numpy() / self.target.scale
            self.error += float(np.abs(gap[here]).mean(axis=(1, 2, 3)).sum())
            self.rows += int(here.sum())
        if self.task.image_type == "WIDE":
            wide = predictions.reshape(len(raw), -1)
            return {f"_DL_Pred{place}_": cells for place, cells in enumerate(wide.T)}
        shades = predictions.round().clip(0, BYTE).astype(np.uint8)
        return {"_DL_PredImg_": pictures(shades, self.task.image_type)}

    def findings(self) -> Findings:
        facts = {"Mean Absolute Error": self.error / self.rows} if self.rows else {}
        return Findings(facts, self.losses.mean)


def picture_columns(
    kind: ImageType, name: str, size: int, wide: Any = "string"
) -> tuple[OutputColumn, ...]:
    """Return a column per pixel, or one of images."""
    if kind == "WIDE":
        return tuple(OutputColumn(name.format(place), wide) for place in range(size))
    return (OutputColumn("_DL_PredImg_", "binary" if kind == "PNG" else "string"),)


def pictures(shades: npt.NDArray[np.uint8], kind: ImageType) -> npt.NDArray[np.object_]:
    """Return images (N, C, H, W) as PNG files, or as their text in base 64."""
    column = np.empty(len(shades), dtype=object)
    for row, pixels in enumerate(shades):
        data = encode_image(pixels)
        column[row] = data if kind == "PNG" else b64encode(data).decode("ascii")
    return column
