"""How the predictions of a task are written down and summed up, by the report it names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.data.grade import grade
from engine.data.variables import IntervalTarget, NominalTarget, TargetSpec
from engine.errors import DataError
from engine.layers.base import Task
from engine.score.outputs import IntervalOutput, NominalOutput, OutputColumn, Values
from engine.score.summary import Findings, Tally
from engine.score.sums import State, Sums
from engine.shapes import Shape


@dataclass(frozen=True)
class ReportRequest:
    """What a report is made for.

    Attributes:
        task: the rules of the task layer.
        target: how its target is encoded.
        encode_name: make names from the target's variables and levels (P_SpeciesSetosa) and not
            from positions (_DL_P0_).
        top_probs: also write so many of the likeliest levels, fewer if there are not as many.
        shape: of one row of the layer's output.
        suffix: in plain names, the id of the layer where the model has several task layers.
    """

    task: Task
    target: TargetSpec
    encode_name: bool = True
    top_probs: int | None = None
    suffix: str = ""
    shape: Shape = ()


class Report(Protocol):
    """The scores of one task layer; see ``Sums`` for the last two methods."""

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """The columns it writes, in order."""

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        """Return the columns of some rows, and take them into the findings.

        Args:
            raw: the task layer's raw output (N, ...).
            truth: the encoded target, None if the table has none.
        """

    def findings(self) -> Findings:
        """Return what all rows added so far say."""

    def state(self) -> State: ...
    def absorb(self, state: State) -> None: ...


class ClassificationReport(Sums):
    """Probabilities of levels, and how many are wrong."""

    added = ("tally",)

    def __init__(self, request: ReportRequest) -> None:
        target = request.target
        assert isinstance(target, NominalTarget)  # noqa: S101 - what such a task is bound to
        self.task = request.task
        self.output = NominalOutput(
            target,
            encode_name=request.encode_name,
            top_probs=request.top_probs,
            suffix=request.suffix,
        )
        self.tally = Tally(target, self.output.top)

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.output.columns

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        codes = None if truth is None else truth.numpy()
        values = self.output.write(in_doubles(self.task.predict(raw)), codes)
        if truth is not None and codes is not None:
            best = values[f"_DL_PredLevel{self.output.suffix}_"].astype(np.int64)
            wrong = (best != codes).astype(np.float64)
            self.tally.add_grade(grade(self.task, raw, truth.to(raw.device)), wrong)
            missed = values.get(f"_DL_TOP_Missit{self.output.suffix}_")
            self.tally.add_levels(best, codes, missed)
        return values

    def findings(self) -> Findings:
        return self.tally.findings()


class RegressionReport(Sums):
    """Values in the variables' own units, and their squared error."""

    added = ("tally",)

    def __init__(self, request: ReportRequest) -> None:
        target = request.target
        assert isinstance(target, IntervalTarget)  # noqa: S101 - what such a task is bound to
        refuse_top(request)
        self.task = request.task
        self.output = IntervalOutput(target, encode_name=request.encode_name, suffix=request.suffix)
        self.tally = Tally(target, None)
        self.scale = np.array([variable.scale for variable in target.variables])
        self.center = np.array([variable.center for variable in target.variables])

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.output.columns

    def add(self, raw: Tensor, truth: Tensor | None) -> Values:
        predictions = in_doubles(self.task.predict(raw))
        if truth is not None:
            graded = grade(self.task, raw, truth.to(raw.device))
            errors = np.square((predictions - truth.double().numpy()) * self.scale).mean(axis=1)
            self.tally.add_grade(graded, errors)
        return self.output.write(predictions * self.scale + self.center)

    def findings(self) -> Findings:
        return self.tally.findings()


def refuse_top(request: ReportRequest) -> None:
    """Refuse the likeliest levels of a target that has no levels.

    Raises:
        DataError: they are asked for.
    """
    if request.top_probs is None:
        return
    kind = "is an interval variable" if request.target.kind == "interval" else "is none of levels"
    name = request.target.names[0] if request.target.names else request.target.layer
    raise DataError(
        f"topProbs got {request.top_probs} but target {name!r} {kind}, expected a nominal one",
        got=request.top_probs,
        target=list(request.target.names),
    )


def in_doubles(values: Tensor) -> npt.NDArray[np.float64]:
    """Return a tensor as an array of doubles, in the memory of the host."""
    found: npt.NDArray[np.float64] = values.double().cpu().numpy()
    return found


Maker = Callable[[ReportRequest], Report]
