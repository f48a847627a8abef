"""How well a table was scored, added up batch by batch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.data.encode import ABSENT
from engine.data.grade import Grade
from engine.data.variables import NominalTarget, TargetSpec

Float64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClassScore:
    """One level of a nominal target.

    Attributes:
        level: 0-based.
        frequency: rows of that level.
        correct: of them, predicted right.
        accuracy: correct / frequency, None without rows.
        iou: correct / (frequency + predicted - correct), None if it never occurs.
    """

    level: int
    name: str
    frequency: int
    correct: int
    accuracy: float | None
    iou: float | None


@dataclass(frozen=True)
class ScoreSummary:
    """The numbers of ScoreInfo; None where the table has no target to compare with.

    Attributes:
        rows_read: rows of the table.
        rows_used: rows that were scored.
        misclassification: percent of rows with a level, an unseen level counted as wrong.
        top_misclassification: percent of rows whose level is not among the likeliest ``top``.
        mse: mean squared error over rows and variables, always in the targets' own units.
        loss: mean loss of rows with a known target, in the units it was trained in.
        classes: one entry per level of a nominal target.
        warnings: sentences on levels that training did not see.
    """

    rows_read: int
    rows_used: int
    misclassification: float | None
    top_misclassification: float | None
    top: int | None
    mse: float | None
    loss: float | None
    classes: tuple[ClassScore, ...]
    warnings: tuple[str, ...]


class Tally:
    """The sums behind a summary."""

    def __init__(self, target: TargetSpec, top: int | None) -> None:
        self.target = target
        self.levels = len(target.levels) if isinstance(target, NominalTarget) else 0
        self.top = top if self.levels else None
        self.read = 0
        self.used = 0
        self.loss = 0.0
        self.with_loss = 0
        self.error = 0.0
        self.with_error = 0
        self.missed = 0.0
        self.frequency = np.zeros(self.levels, dtype=np.int64)
        self.correct = np.zeros(self.levels, dtype=np.int64)
        self.predicted = np.zeros(self.levels, dtype=np.int64)

    def add_rows(self, used: Mask) -> None:
        """Count rows read and scored."""
        self.read += len(used)
        self.used += int(used.sum())

    def add_grade(self, graded: Grade, errors: Float64) -> None:
        """Add losses and errors of scored rows.

        Args:
            graded: loss of every row, and which rows have an error.
            errors: 1 where the level is wrong, or squared errors in the target's own units.
        """
        self.loss += float(graded.loss.double().sum().item())
        self.with_loss += int(graded.has_loss.sum().item())
        has_error = graded.has_error.cpu().numpy()
        self.error += float(errors[has_error].sum())
        self.with_error += int(has_error.sum())

    def add_levels(self, predicted: Codes, truth: Codes, missed: Float64 | None) -> None:
        """Add predicted and true levels of scored rows.

        Args:
            predicted: codes of the likeliest levels.
            truth: codes of the true levels, below zero where unknown.
            missed: 1 where the true level is not among the best, NaN where there is none.
        """
        self.predicted += np.bincount(predicted[truth != ABSENT], minlength=self.levels)
        self.frequency += np.bincount(truth[truth >= 0], minlength=self.levels)
        right = predicted == truth
        self.correct += np.bincount(truth[right], minlength=self.levels)
        if missed is not None:
            self.missed += float(np.nansum(missed))

    def summary(self, warnings: tuple[str, ...]) -> ScoreSummary:
        """Return what was added up."""
        error = self.error / self.with_error if self.with_error else None
        is_nominal = bool(self.levels)
        top = None
        if self.top and self.with_error:
            top = 100 * self.missed / self.with_error
        return ScoreSummary(
            rows_read=self.read,
            rows_used=self.used,
            misclassification=None if error is None or not is_nominal else 100 * error,
            top_misclassification=top,
            top=self.top,
            mse=None if is_nominal else error,
            loss=self.loss / self.with_loss if self.with_loss else None,
            classes=self._classes() if self.with_error else (),
            warnings=warnings,
        )

    def _classes(self) -> tuple[ClassScore, ...]:
        if not isinstance(self.target, NominalTarget):
            return ()
        union = self.frequency + self.predicted - self.correct
        return tuple(
            ClassScore(
                level=place,
                name=name,
                frequency=int(self.frequency[place]),
                correct=int(self.correct[place]),
                accuracy=_share(self.correct[place], self.frequency[place]),
                iou=_share(self.correct[place], union[place]),
            )
            for place, name in enumerate(self.target.levels)
        )


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
