"""How predictions of sequences are written down: step by step, or as labels without places."""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.data.encode import ABSENT
from engine.data.grade import Grade, grade
from engine.data.variables import (
    Interval,
    IntervalSteps,
    IntervalTarget,
    NominalSteps,
    NominalTarget,
)
from engine.score.outputs import IntervalOutput, NominalOutput, OutputColumn, Values, encoded
from engine.score.reports import Report, ReportRequest, in_doubles, refuse_top
from engine.score.summary import Findings, Tally
from engine.score.sums import Sums
from engine.tasks.steps import Ctc, PerStep


def steps_report(request: ReportRequest) -> Report:
    """Return the report of a target at every step."""
    if isinstance(request.target, NominalSteps):
        return NominalStepsReport(request, request.target)
    assert isinstance(request.target, IntervalSteps)  # noqa: S101 - what such a task is bound to
    return IntervalStepsReport(request, request.target)


class NominalStepsReport(Sums):
    """Probabilities of levels at every step; missing where the row has no such step.

    Errors are counted by steps, the loss is the mean over rows.
    """

    added = ("tally",)

    def __init__(self, request: ReportRequest, target: NominalSteps) -> None:
        assert isinstance(request.task, PerStep)  # noqa: S101 - what such a target is bound to
        self.task = request.task
        joint = f"{request.suffix}_" if request.suffix else ""
        self.outputs = [
            NominalOutput(
                NominalTarget(layer=target.layer, name=name, levels=target.levels),
                encode_name=request.encode_name,
                top_probs=request.top_probs,
                suffix=f"{joint}{step}",
            )
            for step, name in enumerate(target.columns)
        ]
        self.tally = Tally(self.outputs[0].target, self.outputs[0].top)

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return tuple(column for output in self.outputs for column in output.columns)

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        chances = in_doubles(self.task.predict(raw))
        codes = None if truth is None else truth.numpy()
        values: dict[str, npt.NDArray[Any]] = {}
        for step, output in enumerate(self.outputs):
            here: npt.NDArray[np.bool_] = ~np.isnan(chances[:, step, 0])
            found = output.write(chances[:, step], None if codes is None else codes[:, step])
            values.update({name: _blanked(cells, here) for name, cells in found.items()})
            if codes is not None:
                self._count(output, found, np.where(here, codes[:, step], ABSENT))
        if truth is not None:
            self._grade(raw, truth.to(raw.device))
        return values

    def _count(self, output: NominalOutput, found: Values, codes: npt.NDArray[np.int64]) -> None:
        best = found[f"_DL_PredLevel{output.suffix}_"].astype(np.int64)
        missed = found.get(f"_DL_TOP_Missit{output.suffix}_")
        self.tally.add_levels(best, codes, missed)

    def _grade(self, raw: Tensor, truth: Tensor) -> None:
        rows = grade(self.task, raw, truth)
        steps = grade(self.task.inner, raw.flatten(0, 1), truth.flatten())
        graded = Grade(rows.loss, steps.error, rows.has_loss, steps.has_error)
        self.tally.add_grade(graded, in_doubles(steps.error))

    def findings(self) -> Findings:
        return self.tally.findings()


class IntervalStepsReport(Sums):
    """Values at every step, in the variables' own units; missing where the row has no such step."""

    added = ("tally",)

    def __init__(self, request: ReportRequest, target: IntervalSteps) -> None:
        assert isinstance(request.task, PerStep)  # noqa: S101 - what such a target is bound to
        refuse_top(request)
        self.task = request.task
        self.value = target.value
        variables = tuple(Interval(name=name, missing=None) for name in target.columns)
        plain = IntervalTarget(layer=target.layer, variables=variables)
        self.output = IntervalOutput(plain, encode_name=request.encode_name, suffix=request.suffix)
        self.tally = Tally(plain, None)

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.output.columns

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        predictions = in_doubles(self.task.predict(raw))[..., 0]
        if truth is not None:
            rows = grade(self.task, raw, truth.to(raw.device))
            steps = grade(
                self.task.inner, raw.flatten(0, 1), truth.to(raw.device).flatten()[:, None]
            )
            errors = np.square((predictions - truth.double().numpy()) * self.value.scale)
            has_error = steps.has_error & ~raw.flatten(0, 1)[:, 0].isnan()
            graded = Grade(rows.loss, steps.error, rows.has_loss, has_error)
            self.tally.add_grade(graded, errors.flatten())
        return self.output.write(predictions * self.value.scale + self.value.center)

    def findings(self) -> Findings:
        return self.tally.findings()


class LabelsReport(Sums):
    """Decoded labels, one after another, apart by blanks; a row is right if all of them are."""

    added = ("tally",)

    def __init__(self, request: ReportRequest) -> None:
        target = request.target
        assert isinstance(target, NominalSteps)  # noqa: S101 - what such a task is bound to
        assert isinstance(request.task, Ctc)  # noqa: S101 - this report is of that task
        refuse_top(request)
        self.task = request.task
        self.levels = np.array(target.levels, dtype=object)
        first = target.columns[0]
        self.name = encoded(f"I_{first}") if request.encode_name else f"_DL_Pred{request.suffix}_"
        self.label = f"Into: {first}"
        self.tally = Tally(
            NominalTarget(layer=target.layer, name=first, levels=target.levels), None
        )

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return (OutputColumn(self.name, "string", self.label),)

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        found = self.task.decode(raw).cpu().numpy()
        texts = np.array([" ".join(self.levels[row[row >= 0]]) for row in found], dtype=object)
        if truth is not None:
            graded = grade(self.task, raw, truth.to(raw.device))
            self.tally.add_grade(graded, in_doubles(graded.error))
        return {self.name: texts}

    def findings(self) -> Findings:
        found = self.tally.findings()
        return Findings(found.facts, found.loss)


def _blanked(cells: npt.NDArray[Any], here: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return cells with missing ones where a row is not here."""
    kept = cells.copy()
    kept[~here] = None if cells.dtype == object else np.nan
    return kept
