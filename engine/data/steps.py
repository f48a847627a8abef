"""A target that is the same at step after step of a sequence: learned, and encoded."""

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.data.columns import (
    Columns,
    Mask,
    find_name,
    level_codes,
    numbers,
    pick,
    row_count,
    shown,
)
from engine.data.lengths import Lengths, true_lengths
from engine.data.profile import LevelProfile, NumericProfile
from engine.data.targets import Reading, TargetRequest, interval, numeric_or_levels, refuse_none
from engine.data.variables import IntervalSteps, NominalSteps, TargetSpec
from engine.errors import DataError
from engine.losses import ABSENT, UNSEEN

Steps = NominalSteps | IntervalSteps


class StepsLearner:
    """Learns the levels, or the spread, of all steps together; padding is not looked at.

    A row is dropped if it has no level at all, or under the rule NONE if a number is missing.
    """

    def __init__(self, request: TargetRequest, columns: Columns) -> None:
        refuse_none(request)
        self.request = request
        length = () if request.length is None else (request.length,)
        self.names = (*request.names, *length)
        found = [numeric_or_levels(columns, name, request.nominals) for name in request.names]
        is_nominal = any(isinstance(each, LevelProfile) for each in found)
        name = request.names[0]
        self.profile = LevelProfile(name) if is_nominal else NumericProfile(name)

    @property
    def present(self) -> dict[str, int]:
        return {self.profile.name: self.profile.present}

    def used(self, columns: Columns, first_row: int) -> Mask:
        known = [self._known(columns, name, first_row) for name in self.request.names]
        true = self._true(columns, first_row)
        used: Mask = np.ones(row_count(columns), dtype=bool)
        if isinstance(self.profile, LevelProfile):
            used = np.any([k & t for k, t in zip(known, true, strict=True)], axis=0)
        elif self.request.missing == "NONE":
            used = np.all([k | ~t for k, t in zip(known, true, strict=True)], axis=0)
        return used

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        for name, true in zip(self.request.names, self._true(columns, first_row), strict=True):
            if isinstance(self.profile, LevelProfile):
                here = self.profile.present_in(columns[name])
                self.profile.add(columns[name], used & true & here)
            else:
                self.profile.add(numbers(columns[name], name, first_row), used & true)

    def spec(self) -> TargetSpec:
        layer, columns, length = self.request.layer, self.request.names, self.request.length
        if isinstance(self.profile, NumericProfile):
            value = interval(self.profile, self.request.missing, self.request.scaling)
            return IntervalSteps(layer=layer, columns=columns, value=value, length=length)
        levels = self.profile.ordered(self.request.order)
        if len(levels) == 1:
            raise DataError(
                f"target {self.profile.name!r} has one level, {levels[0]!r}, expected at least two",
                target=self.profile.name,
                levels=list(levels),
            )
        return NominalSteps(layer=layer, columns=columns, levels=levels, length=length)

    def _known(self, columns: Columns, name: str, first_row: int) -> Mask:
        if isinstance(self.profile, LevelProfile):
            return self.profile.present_in(columns[name])
        return ~np.isnan(numbers(columns[name], name, first_row))

    def _true(self, columns: Columns, first_row: int) -> list[Mask]:
        """Return for every step in which rows it is no padding."""
        steps = len(self.request.names)
        lengths = true_lengths(columns, self.request.length, steps, first_row)
        return [lengths > step for step in range(steps)]


def read_nominal_steps(target: NominalSteps, reading: Reading) -> npt.NDArray[np.int64]:
    """Return the codes of levels (N, T); padding and missing ones are absent."""
    places = {level: code for code, level in enumerate(target.levels)}
    codes = np.empty((row_count(reading.columns), len(target.columns)), dtype=np.int64)
    for step, name in enumerate(target.columns):
        codes[:, step] = level_codes(pick(reading.columns, name), places, UNSEEN, ABSENT)
    codes[_lengths(target, reading)[:, None] <= np.arange(codes.shape[1])] = ABSENT
    if reading.purpose != "score":
        np.logical_and(reading.used, (codes != ABSENT).any(axis=1), out=reading.used)
    unseen = (codes == UNSEEN) & reading.used[:, None]
    if unseen.any() and reading.purpose == "train":
        row, step = (int(place[0]) for place in np.nonzero(unseen))
        name = target.columns[step]
        raise DataError(
            f"target {name!r}, row {reading.first_row + row} got "
            f"{shown(pick(reading.columns, name)[row])}, expected one of the {len(target.levels)} "
            "levels of the schema",
            target=name,
            row=reading.first_row + row,
        )
    reading.unseen.add(target.columns[0], int(unseen.sum()))
    return codes


def read_interval_steps(target: IntervalSteps, reading: Reading) -> npt.NDArray[np.float32]:
    """Return scaled values (N, T); padding is NaN, missing values are replaced unless scoring."""
    value = target.value
    encoded = np.empty((row_count(reading.columns), len(target.columns)), dtype=np.float32)
    lengths = _lengths(target, reading)
    for step, name in enumerate(target.columns):
        found = numbers(pick(reading.columns, name), name, reading.first_row)
        true = lengths > step
        absent = np.isnan(found) & true
        if reading.purpose != "score" and value.missing is None:
            np.logical_and(reading.used, ~absent, out=reading.used)
        elif reading.purpose != "score" and value.missing is not None:
            found = np.where(absent, value.missing, found)
        encoded[:, step] = np.where(true, (found - value.center) / value.scale, np.nan)
    return encoded


def _lengths(target: Steps, reading: Reading) -> Lengths:
    name = target.length
    if name is not None and find_name(list(reading.columns), name) is None:
        name = None
    return true_lengths(reading.columns, name, len(target.columns), reading.first_row)


STEP_READERS: dict[str, Any] = {
    "nominal_steps": read_nominal_steps,
    "interval_steps": read_interval_steps,
}
"""By the kind of target."""
