"""What one pass over a column learns about it, in constant memory."""

from dataclasses import dataclass, field
from math import inf, sqrt

import numpy as np

from engine.data.columns import Column, Float64, Mask, distinct, text_of
from engine.errors import DataError

LEVEL_LIMIT = 100_000
"""Levels a nominal variable may have; more means that a key or a number was declared nominal."""

SortKey = tuple[int, float, str]


@dataclass
class NumericProfile:
    """Count, mean, spread and range of the numbers seen.

    Attributes:
        present: numbers in all rows read; the other facts are of used rows only.

    Source: Chan, Golub, LeVeque (1983), pairwise update of the sum of squared deviations.
    """

    name: str
    present: int = 0
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = inf
    high: float = -inf

    def add(self, values: Float64, used: Mask) -> None:
        """Take the numbers of a batch; NaN is missing."""
        here = ~np.isnan(values)
        self.present += int(here.sum())
        chosen = values[here & used]
        if not len(chosen):
            return
        count, mean = len(chosen), float(chosen.mean())
        squares = float(((chosen - mean) ** 2).sum())
        total, shift = self.count + count, mean - self.mean
        self.squares += squares + shift * shift * self.count * count / total
        self.mean += shift * count / total
        self.count = total
        self.low = min(self.low, float(chosen.min()))
        self.high = max(self.high, float(chosen.max()))

    @property
    def deviation(self) -> float:
        """The population standard deviation (divisor: the count)."""
        return sqrt(self.squares / self.count)


@dataclass
class LevelProfile:
    """The levels of a nominal variable in the order met."""

    name: str
    present: int = 0
    has_missing: bool = False
    keys: dict[str, SortKey] = field(default_factory=dict)

    def add(self, column: Column, used: Mask) -> None:
        """Take the levels of a batch.

        Raises:
            DataError: there are more levels than ``LEVEL_LIMIT``.
        """
        values, positions = distinct(column)
        names = [text_of(value) for value in values]
        self.present += int(self.present_in(column).sum())
        for place in np.unique(positions[used]):
            name = names[place]
            if name is None:
                self.has_missing = True
            elif name not in self.keys:
                self.keys[name] = _sort_key(values[place], name)
        if len(self.keys) > LEVEL_LIMIT:
            raise DataError(
                f"column {self.name!r} has more than {LEVEL_LIMIT} levels, expected fewer; "
                "is it a key, or a number that should not be nominal?",
                column=self.name,
                limit=LEVEL_LIMIT,
            )

    def present_in(self, column: Column) -> Mask:
        """Return which cells of a batch hold a level."""
        values, positions = distinct(column)
        is_level = np.array([text_of(value) is not None for value in values], dtype=bool)
        return is_level[positions]

    def ordered(self, order: str) -> tuple[str, ...]:
        """Return the names: HASH as met, else sorted, numbers by value and before text."""
        if order == "HASH":
            return tuple(self.keys)
        return tuple(
            sorted(self.keys, key=lambda name: self.keys[name], reverse=order == "DESCENDING")
        )


def _sort_key(value: object, name: str) -> SortKey:
    if isinstance(value, str):
        return 1, 0.0, name
    return 0, float(value), ""  # type: ignore[arg-type]  # numpy scalars and Python numbers
