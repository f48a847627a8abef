"""How well a table was scored, added up batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from engine.data.encode import ABSENT
from engine.data.grade import Grade
from engine.data.variables import NominalTarget, TargetSpec
from engine.score.sums import Sums

LOSS = "Loss Error"
MISCLASSIFICATION = "Misclassification Error (%)"
MSE = "Mean Squared Error"

Float64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


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


FactType = Literal["int64", "double", "string"]


@dataclass(frozen=True)
class FactTable:
    """A table of results besides ScoreInfo."""

    columns: tuple[tuple[str, FactType], ...]
    rows: tuple[tuple[float | int | str | None, ...], ...]
    title: str


@dataclass(frozen=True)
class Findings:
    """What the rows scored so far say of one task layer.

    Attributes:
        facts: rows of ScoreInfo, the loss left out.
        loss: mean loss of rows with a known target, in the units it was trained in.
        classes: one entry per level of a nominal target.
        tables: other results by name.
    """

    facts: Mapping[str, float]
    loss: float | None
    classes: tuple[ClassScore, ...] = ()
    tables: Mapping[str, FactTable] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreSummary:
    """The numbers of ScoreInfo.

    Attributes:
        rows_read: rows of the table.
        rows_used: rows that were scored.
        facts: value by name, in order; what there is no target to compare with is left out.
        classes: one entry per level of a nominal target.
        tables: other results by name.
        warnings: sentences on levels that training did not see.
    """

    rows_read: int
    rows_used: int
    facts: Mapping[str, float]
    classes: tuple[ClassScore, ...]
    tables: Mapping[str, FactTable]
    warnings: tuple[str, ...]

    @property
    def loss(self) -> float | None:
        """The mean loss, summed over task layers."""
        return self.facts.get(LOSS)

    @property
    def misclassification(self) -> float | None:
        """Percent of rows with a level, an unseen level counted as wrong."""
        return self.facts.get(MISCLASSIFICATION)

    @property
    def mse(self) -> float | None:
        """Mean squared error over rows and variables, always in the targets' own units."""
        return self.facts.get(MSE)


class Tally(Sums):
    """The sums behind a summary."""

    added = (
        "loss",
        "with_loss",
        "error",
        "with_error",
        "missed",
        "frequency",
        "correct",
        "predicted",
    )

    def __init__(self, target: TargetSpec, top: int | None) -> None:
        self.names = target.levels if isinstance(target, NominalTarget) else ()
        self.levels = len(self.names)
        self.top = top if self.levels else None
        self.loss = 0.0
        self.with_loss = 0
        self.error = 0.0
        self.with_error = 0
        self.missed = 0.0
        self.frequency = np.zeros(self.levels, dtype=np.int64)
        self.correct = np.zeros(self.levels, dtype=np.int64)
        self.predicted = np.zeros(self.levels, dtype=np.int64)

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

    def findings(self) -> Findings:
        """Return what was added up."""
        facts: dict[str, float] = {}
        if self.with_error and self.levels:
            facts[MISCLASSIFICATION] = 100 * self.error / self.with_error
        if self.with_error and self.top:
            percent = 100 * self.missed / self.with_error
            facts[f"Top {self.top} Misclassification Error (%)"] = percent
        if self.with_error and not self.levels:
            facts[MSE] = self.error / self.with_error
        loss = self.loss / self.with_loss if self.with_loss else None
        return Findings(facts, loss, self._classes() if self.with_error else ())

    def _classes(self) -> tuple[ClassScore, ...]:
        return class_scores(self.names, self.frequency, self.predicted, self.correct)


def class_scores(
    names: Sequence[str], frequency: Codes, predicted: Codes, correct: Codes
) -> tuple[ClassScore, ...]:
    """Return a score per class from counts of what is true, predicted, and both."""
    union = frequency + predicted - correct
    return tuple(
        ClassScore(
            level=place,
            name=name,
            frequency=int(frequency[place]),
            correct=int(correct[place]),
            accuracy=_share(correct[place], frequency[place]),
            iou=_share(correct[place], union[place]),
        )
        for place, name in enumerate(names)
    )


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
