"""The columns a scored table gets, in the layouts of dlScore.

Source: the deepLearn reference, output columns of dlScore, with and without encodeName.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.data.encode import ABSENT
from engine.data.variables import IntervalTarget, NominalTarget
from engine.shapes import IMAGE_AXES, SEQUENCE_AXES, Shape

Float64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Values = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class OutputColumn:
    """A column of a scored table; missing is NaN in a double and None in the others."""

    name: str
    type: Literal["double", "string", "binary"]
    label: str = ""


class NominalOutput:
    """Probabilities and the likeliest level of a nominal target."""

    def __init__(
        self, target: NominalTarget, *, encode_name: bool, top_probs: int | None, suffix: str = ""
    ) -> None:
        self.target = target
        self.suffix = suffix
        self.joint = "_" if suffix else ""
        self.top = min(top_probs or 0, len(target.levels))
        levels = range(len(target.levels))
        if encode_name:
            self.probability_names = unique(
                [encoded(f"P_{target.name}{level}") for level in target.levels]
            )
            self.level_name = encoded(f"I_{target.name}")
        else:
            before = f"{suffix}{self.joint}"
            self.probability_names = [f"_DL_P{before}{place}_" for place in levels]
            self.level_name = f"_DL_PredName{suffix}_"
        self.level_names = np.array([*target.levels, None], dtype=object)

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        probabilities = [
            OutputColumn(name, "double", f"Predicted: {self.target.name}={level}")
            for name, level in zip(self.probability_names, self.target.levels, strict=True)
        ]
        best = [
            column
            for place in range(self.top)
            for column in (
                OutputColumn(f"_DL_TOP_PredName{self.suffix}{self.joint}{place}_", "string"),
                OutputColumn(f"_DL_TOP_P{self.suffix}{self.joint}{place}_", "double"),
            )
        ]
        missit = [OutputColumn(f"_DL_TOP_Missit{self.suffix}_", "double")] if self.top else []
        return (
            *probabilities,
            OutputColumn(self.level_name, "string", f"Into: {self.target.name}"),
            OutputColumn(f"_DL_PredP{self.suffix}_", "double"),
            OutputColumn(f"_DL_PredLevel{self.suffix}_", "double"),
            *best,
            *missit,
        )

    def write(self, predictions: Float64, truth: Codes | None) -> Values:
        """Return the columns of some rows.

        Args:
            predictions: probabilities (N, K).
            truth: codes (N,), None if the table has no target.
        """
        levels = len(self.target.levels)
        known = predictions[:, :levels]
        order = np.argsort(-known, axis=1, kind="stable")
        rows, best = np.arange(len(known)), order[:, 0]
        written: dict[str, npt.NDArray[Any]] = dict(
            zip(self.probability_names, known.T, strict=True)
        )
        written[self.level_name] = self.level_names[best]
        written[f"_DL_PredP{self.suffix}_"] = known[rows, best]
        written[f"_DL_PredLevel{self.suffix}_"] = best.astype(np.float64)
        for place in range(self.top):
            code = order[:, place]
            written[f"_DL_TOP_PredName{self.suffix}{self.joint}{place}_"] = self.level_names[code]
            written[f"_DL_TOP_P{self.suffix}{self.joint}{place}_"] = known[rows, code]
        if self.top:
            written[f"_DL_TOP_Missit{self.suffix}_"] = self.missed(order, truth)
        return written

    def missed(self, order: Codes, truth: Codes | None) -> Float64:
        """Return 1 where the true level is not among the best, NaN where there is none."""
        if truth is None:
            return np.full(len(order), np.nan)
        missed = (order[:, : self.top] != truth[:, np.newaxis]).all(axis=1).astype(np.float64)
        return np.where(truth == ABSENT, np.nan, missed)


class IntervalOutput:
    """Predicted values of interval targets."""

    def __init__(self, target: IntervalTarget, *, encode_name: bool, suffix: str = "") -> None:
        self.target = target
        several = len(target.names) > 1
        if encode_name:
            self.names = unique([encoded(f"P_{name}") for name in target.names])
        elif several:
            joint = f"{suffix}_" if suffix else ""
            self.names = [f"_DL_Pred{joint}{place}_" for place in range(len(target.names))]
        else:
            self.names = [f"_DL_Pred{suffix}_"]

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return tuple(
            OutputColumn(name, "double", f"Predicted: {variable}")
            for name, variable in zip(self.names, self.target.names, strict=True)
        )

    def write(self, predictions: Float64) -> Values:
        """Return the columns of some rows, from values (N, V) in the variables' own units."""
        return dict(zip(self.names, predictions.T, strict=True))


def layer_columns(layer_id: int, shape: Shape) -> tuple[OutputColumn, ...]:
    """Return the columns of a layer's output in the layout WIDE, map by map and row by row.

    A step of a sequence counts as a row, its values as maps.
    """
    if len(shape) == SEQUENCE_AXES:
        return tuple(
            OutputColumn(f"_LayerAct_{layer_id}_{step}_0_{value}_", "double")
            for step, value in product(range(shape[0]), range(shape[1]))
        )
    channels, height, width = shape if len(shape) == IMAGE_AXES else (shape[0], 1, 1)
    return tuple(
        OutputColumn(f"_LayerAct_{layer_id}_{row}_{column}_{channel}_", "double")
        for channel, row, column in product(range(channels), range(height), range(width))
    )


def encoded(name: str) -> str:
    """Return a name with everything but letters, digits and underscores replaced by one."""
    return re.sub(r"\W", "_", name)


def unique(names: Sequence[str]) -> list[str]:
    """Return names with a count put after those that an earlier one equals but for case."""
    seen: set[str] = set()
    found: list[str] = []
    for name in names:
        count, free = 1, name
        while free.casefold() in seen:
            count += 1
            free = f"{name}_{count}"
        seen.add(free.casefold())
        found.append(free)
    return found
