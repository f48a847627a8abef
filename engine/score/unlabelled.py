"""Scores of tasks without a target of their own, or with one of pairs and times.

Source: the deepLearn reference, output columns and ScoreInfo (1.6).
"""

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.data.grade import grade
from engine.score.outputs import OutputColumn, Values
from engine.score.reports import ReportRequest, in_doubles, refuse_top
from engine.score.segments import Losses
from engine.score.summary import FactTable, Findings
from engine.score.sums import Sums
from engine.tasks.clustering import Cluster
from engine.tasks.survival import baseline

Float64 = npt.NDArray[np.float64]

MEAN_ABSOLUTE_ERROR = "Mean Absolute Error"


class EmbeddingReport(Sums):
    """Distances between embeddings, and how far they are from where they should be."""

    added = ("losses", "error", "rows")

    def __init__(self, request: ReportRequest) -> None:
        refuse_top(request)
        self.task = request.task
        self.suffix = request.suffix
        self.losses = Losses()
        self.error = 0.0
        self.rows = 0
        self.names = self._names(prod(request.shape))

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return tuple(OutputColumn(name, "double") for name in self.names)

    def _names(self, count: int) -> list[str]:
        if count == 1:
            return [f"_DL_Pred{self.suffix}_"]
        joint = f"{self.suffix}_" if self.suffix else ""
        return [f"_DL_Pred{joint}{place}_" for place in range(count)]

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        distances = in_doubles(self.task.predict(raw))
        if truth is not None:
            graded = grade(self.task, raw, truth.to(raw.device))
            self.losses.add(graded)
            self.error += float(graded.error.double().sum().item())
            self.rows += int(graded.has_error.sum().item())
        return dict(zip(self.names, distances.T, strict=True))

    def findings(self) -> Findings:
        facts = {MEAN_ABSOLUTE_ERROR: self.error / self.rows} if self.rows else {}
        return Findings(facts, self.losses.mean)


class ClusteringReport(Sums):
    """How much rows belong to clusters, and the nearest one, in the columns of levels."""

    added = ("losses",)

    def __init__(self, request: ReportRequest) -> None:
        refuse_top(request)
        task = request.task
        assert isinstance(task, Cluster)  # noqa: S101 - what names this report
        self.task = task
        self.suffix = request.suffix
        self.losses = Losses()

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        before = f"{self.suffix}_" if self.suffix else ""
        shares = [
            OutputColumn(f"_DL_P{before}{place}_", "double") for place in range(self.task.clusters)
        ]
        return (
            *shares,
            OutputColumn(f"_DL_PredName{self.suffix}_", "string"),
            OutputColumn(f"_DL_PredP{self.suffix}_", "double"),
            OutputColumn(f"_DL_PredLevel{self.suffix}_", "double"),
        )

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        shares = in_doubles(self.task.predict(raw))
        best = shares.argmax(axis=1)
        if truth is not None:
            self.losses.add(grade(self.task, raw, truth.to(raw.device)))
        cells: list[npt.NDArray[Any]] = [
            *shares.T,
            np.array([str(place) for place in best], dtype=object),
            shares.max(axis=1),
            best.astype(np.float64),
        ]
        return dict(zip((column.name for column in self.columns), cells, strict=True))

    def findings(self) -> Findings:
        return Findings({}, self.losses.mean)


class SurvivalReport(Sums):
    """Logarithms of hazard ratios, the loss of the whole table, and its cumulative hazard.

    Three numbers of every row with a target are held, since its rows are compared with each other.
    """

    added = ("held",)

    def __init__(self, request: ReportRequest) -> None:
        refuse_top(request)
        self.task = request.task
        self.suffix = request.suffix
        self.held: list[Float64] = []

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return (OutputColumn(f"_DL_Pred{self.suffix}_", "double", "Logarithm of hazard ratio"),)

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        ratios = in_doubles(self.task.predict(raw))
        if truth is not None:
            rows = np.concatenate([truth.double().numpy(), ratios], axis=1)
            self.held.append(rows[~np.isnan(rows).any(axis=1)])
        return {self.columns[0].name: ratios[:, 0]}

    def findings(self) -> Findings:
        rows = np.concatenate(self.held) if self.held else np.empty((0, 3))
        if not len(rows):
            return Findings({}, None)
        found = baseline(rows[:, 0], rows[:, 1], rows[:, 2])
        table = FactTable(
            (("Time", "double"), ("CumHaz", "double")),
            tuple(zip(found.times.tolist(), found.hazard.tolist(), strict=True)),
            "Cumulative Hazard",
        )
        return Findings({}, found.loss / len(rows), tables={"CumHazard": table})
