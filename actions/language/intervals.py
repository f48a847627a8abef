"""Intervals of time such as ``month2`` or ``dtday``: numbered in order, each with a beginning.

Dates are days since 1960-01-01, moments are seconds since then. The names with ``dt`` divide
moments by the calendar, those without divide dates; seconds, minutes and hours divide moments.

Source: SAS date and time intervals.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta

DAY_S = 86_400

_ORIGIN = date(1960, 1, 1)
_UNITS = {"second": 1, "minute": 60, "hour": 3600}
_MONTHS = {"month": 1, "qtr": 3, "semiyear": 6, "year": 12}
_WEEK = 7


def date_of(days: float) -> date:
    """Return days since 1960 as a date.

    Raises:
        OverflowError: it is beyond the years 1 to 9999.
    """
    return _ORIGIN + timedelta(days=math.floor(days))


def days_of(day: date) -> float:
    """Return a date as days since 1960."""
    return float((day - _ORIGIN).days)


@dataclass(frozen=True)
class Interval:
    """An interval of the calendar.

    Attributes:
        base: its name in lower case, without ``dt``.
        every: how many of it make one.
        is_of_seconds: it divides moments, which are seconds, not dates, which are days.
    """

    base: str
    every: int
    is_of_seconds: bool

    @classmethod
    def read(cls, text: str) -> "Interval":
        """Return the interval of a name.

        Raises:
            ValueError: there is none of that name.
        """
        name = text.strip().lower()
        stem = name.rstrip("0123456789")
        base = stem.removeprefix("dt")
        if base not in ("day", "week", *_UNITS, *_MONTHS):
            raise ValueError(text)
        every = int(name[len(stem) :] or 1)
        if every == 0:
            raise ValueError(text)
        return cls(base, every, base in _UNITS or base != stem)

    @property
    def months(self) -> int | None:
        """How many months it is long; None for what is counted in days or seconds."""
        return _MONTHS[self.base] * self.every if self.base in _MONTHS else None

    def number(self, value: float) -> int:
        """Return the number of the interval that a date or a moment lies in."""
        if self.base in _UNITS:
            return math.floor(value / (_UNITS[self.base] * self.every))
        days = math.floor(value / DAY_S if self.is_of_seconds else value)
        if self.base == "day":
            return days // self.every
        if self.base == "week":  # 1960-01-01 was a Friday, weeks begin on Sundays
            return (days + 5) // (_WEEK * self.every)
        day = date_of(days)
        return (day.year * 12 + day.month - 1) // (_MONTHS[self.base] * self.every)

    def begin(self, number: int) -> float:
        """Return where the interval of a number begins."""
        if self.base in _UNITS:
            return float(number * _UNITS[self.base] * self.every)
        if self.base == "day":
            days = float(number * self.every)
        elif self.base == "week":
            days = float(number * _WEEK * self.every - 5)
        else:
            month = number * _MONTHS[self.base] * self.every
            days = days_of(date(month // 12, month % 12 + 1, 1))
        return days * DAY_S if self.is_of_seconds else days
