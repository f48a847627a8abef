"""What a task layer is to predict: columns learned about in one pass, by the form it wants."""

from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from engine.data.columns import Columns, Mask, is_character, numbers, row_count
from engine.data.profile import LevelProfile, NumericProfile
from engine.data.variables import Interval, IntervalTarget, NominalTarget, NoTarget, TargetSpec
from engine.errors import DataError
from engine.layers.base import TargetForm

Missing = Literal["MAX", "MIN", "MEAN", "NONE"]
Scaling = Literal["NONE", "STD", "MIDRANGE"]
Purpose = Literal["train", "validate", "score"]


class Unseen(Counter[str]):
    """Cells, by variable, whose level training did not see; several threads may count."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()

    def add(self, variable: str, cells: int) -> None:
        """Count cells of a variable."""
        with self._lock:
            self[variable] += cells


@dataclass(frozen=True)
class Reading:
    """How a batch of a target is being encoded.

    Attributes:
        columns: of the batch.
        first_row: 0-based row of the table where the batch begins, for messages.
        used: which rows are kept; encoding may drop more.
        purpose: what the rows are for.
        unseen: cells so far, by variable, whose level training did not see.
    """

    columns: Columns
    first_row: int
    used: Mask
    purpose: Purpose
    unseen: Unseen


@dataclass(frozen=True)
class TargetRequest:
    """What is known of a target before its columns are read.

    Attributes:
        layer: name of the task layer.
        form: what it wants.
        names: the target's variables, as the table spells them.
        nominals: names, folded, of numeric variables that are categories.
        missing: replacement of missing interval targets; NONE drops the row.
        order: of the levels.
        scaling: of interval targets.
        image: channels, height and width of the network's images, if it has any.
        is_sequence: whether the variables are the same target at step after step.
        length: variable with the number of true steps of a sequence.
    """

    layer: str
    form: TargetForm
    names: tuple[str, ...]
    nominals: frozenset[str]
    missing: Missing
    order: str
    scaling: Scaling
    image: tuple[int, int, int] | None = None
    is_sequence: bool = False
    length: str | None = None


class TargetLearner(Protocol):
    """One pass over the columns of a target."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it reads."""

    @property
    def present(self) -> dict[str, int]:
        """How many values each variable has that may not be all missing."""

    def used(self, columns: Columns, first_row: int) -> Mask:
        """Return which rows are kept, by what is missing in them."""

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        """Take a batch, of which some rows are used."""

    def spec(self) -> TargetSpec:
        """Return what was learned."""


class NoneLearner:
    """Learns nothing, of a layer without a target."""

    def __init__(self, request: TargetRequest, columns: Columns) -> None:
        del columns
        self.request = request
        self.names: tuple[str, ...] = ()
        self.present: dict[str, int] = {}
        if request.names:
            raise DataError(
                f"layer {request.layer!r} got the targets {list(request.names)}, expected none: "
                "it learns without a target",
                layer=request.layer,
                target=list(request.names),
            )

    def used(self, columns: Columns, first_row: int) -> Mask:
        del first_row
        return np.ones(row_count(columns), dtype=bool)

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        del columns, used, first_row

    def spec(self) -> TargetSpec:
        return NoTarget(layer=self.request.layer)


class VariablesLearner:
    """Learns the levels of one nominal variable, or the spread of interval variables."""

    def __init__(self, request: TargetRequest, columns: Columns) -> None:
        refuse_none(request)
        self.request = request
        self.names = request.names
        self.rule: Missing = "NONE" if request.form.drops_missing else request.missing
        self.profiles = [numeric_or_levels(columns, name, request.nominals) for name in self.names]
        if len(self.names) > 1 and any(isinstance(p, LevelProfile) for p in self.profiles):
            raise DataError(
                f"got the targets {list(self.names)}, expected one nominal variable or several "
                "interval variables",
                target=list(self.names),
            )

    @property
    def present(self) -> dict[str, int]:
        return {profile.name: profile.present for profile in self.profiles}

    def used(self, columns: Columns, first_row: int) -> Mask:
        used = np.ones(row_count(columns), dtype=bool)
        for profile in self.profiles:
            if isinstance(profile, LevelProfile):
                used &= profile.present_in(columns[profile.name])
            elif self.rule == "NONE":
                used &= ~np.isnan(numbers(columns[profile.name], profile.name, first_row))
        return used

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        for profile in self.profiles:
            column = columns[profile.name]
            if isinstance(profile, NumericProfile):
                profile.add(numbers(column, profile.name, first_row), used)
            else:
                profile.add(column, used)

    def spec(self) -> TargetSpec:
        first = self.profiles[0]
        if isinstance(first, LevelProfile):
            levels = first.ordered(self.request.order)
            if len(levels) == 1:
                raise DataError(
                    f"target {first.name!r} has one level, {levels[0]!r}, expected at least two",
                    target=first.name,
                    levels=list(levels),
                )
            return NominalTarget(layer=self.request.layer, name=first.name, levels=levels)
        numeric = [p for p in self.profiles if isinstance(p, NumericProfile)]
        variables = tuple(interval(p, self.rule, self.request.scaling) for p in numeric)
        return IntervalTarget(layer=self.request.layer, variables=variables)


def read_none(target: NoTarget, reading: Reading) -> npt.NDArray[np.float32]:
    """Return no values for every row, (N, 0)."""
    del target
    return np.empty((row_count(reading.columns), 0), dtype=np.float32)


def refuse_none(request: TargetRequest) -> None:
    """Refuse a target without variables.

    Raises:
        DataError: there are none.
    """
    if not request.names:
        raise DataError("got no target variables, expected at least one", role="target")


def numeric_or_levels(
    columns: Columns, name: str, nominals: frozenset[str]
) -> NumericProfile | LevelProfile:
    """Return what will learn about a column: levels if it is named nominal, or holds text."""
    if name.casefold() in nominals or is_character(columns[name]):
        return LevelProfile(name)
    return NumericProfile(name)


def interval(profile: NumericProfile, rule: Missing, scaling: Scaling) -> Interval:
    """Return a numeric variable with its replacement of missing values and its scale."""
    replacement = {"MEAN": profile.mean, "MIN": profile.low, "MAX": profile.high, "NONE": None}
    center, scale = 0.0, 1.0
    if scaling == "STD":
        center, scale = profile.mean, profile.deviation or 1.0
    elif scaling == "MIDRANGE":
        center = profile.low + (profile.high - profile.low) / 2
        scale = (profile.high - profile.low) / 2 or 1.0
    return Interval(name=profile.name, missing=replacement[rule], center=center, scale=scale)
