"""Functions of dates (days since 1960), times (seconds) and both together (seconds since 1960).

Source: the SAS functions of the same names.
"""

import math
from datetime import UTC, date, datetime

from actions.language.functions import Value, function, of_number, of_numbers
from actions.language.intervals import DAY_S, Interval, date_of, days_of
from actions.values import number_of

for _name, _body in (
    ("year", lambda d: date_of(d).year),
    ("month", lambda d: date_of(d).month),
    ("day", lambda d: date_of(d).day),
    ("qtr", lambda d: (date_of(d).month + 2) // 3),
    ("weekday", lambda d: date_of(d).isoweekday() % 7 + 1),
    ("datepart", lambda s: s // DAY_S),
    ("timepart", lambda s: s % DAY_S),
    ("hour", lambda s: s % DAY_S // 3600),
    ("minute", lambda s: s % 3600 // 60),
    ("second", lambda s: s % 60),
):
    function(_name, "n", "number")(of_number(_body))


@function("juldate", "n", "number")
@of_number
def _juldate(days: float) -> float:
    """Return yyddd, of years outside the nineteen hundreds yyyyddd."""
    day = date_of(days)
    year = day.year - 1900 if 1900 <= day.year < 2000 else day.year
    return year * 1000 + day.timetuple().tm_yday


@function("week", "n t?", "number")
def _week(days: float | None, rule: str = "u") -> float | None:
    """Return the week of the year: v as in ISO 8601, u counted from Sundays, w from Mondays."""
    if days is None:
        return None
    day = date_of(days)
    if rule.strip().lower() == "v":
        return float(day.isocalendar().week)
    return float(day.strftime("%U" if rule.strip().lower() == "u" else "%W"))


@function("mdy", "n n n", "number")
@of_numbers
def _mdy(month: float, day: float, year: float) -> float:
    return days_of(date(int(year), int(month), int(day)))


@function("hms", "n n n", "number")
@of_numbers
def _hms(hour: float, minute: float, second: float) -> float:
    return hour * 3600 + minute * 60 + second


@function("dhms", "n n n n", "number")
@of_numbers
def _dhms(day: float, hour: float, minute: float, second: float) -> float:
    return day * DAY_S + hour * 3600 + minute * 60 + second


@function("today date", "", "number")
def _today() -> float:
    return days_of(datetime.now(UTC).date())


@function("datetime", "", "number")
def _datetime() -> float | None:
    return number_of(datetime.now(UTC))


@function("time", "", "number")
def _time() -> float | None:
    return number_of(datetime.now(UTC).time())


@function("intnx", "t n n t?", "number")
def _intnx(interval: str, start: float | None, steps: float | None, to: str = "b") -> Value:
    """Return the beginning (or with m, e, s: middle, end, same place) of a later interval."""
    if start is None or steps is None:
        return None
    found = Interval.read(interval)
    begin, end = _bounds(found, start, int(steps))
    match to.strip().lower()[:1]:
        case "e":
            return end
        case "m":
            return math.floor((begin + end) / 2)
        case "s":
            return _same(found, start, begin, end)
        case _:
            return begin


@function("intck", "t n n", "number")
def _intck(interval: str, start: float | None, end: float | None) -> float | None:
    """Return how many beginnings of an interval lie after the start, up to the end."""
    if start is None or end is None:
        return None
    found = Interval.read(interval)
    return float(found.number(end) - found.number(start))


def _bounds(interval: Interval, start: float, steps: int) -> tuple[float, float]:
    number = interval.number(start) + steps
    return interval.begin(number), interval.begin(number + 1) - 1


def _same(interval: Interval, start: float, begin: float, end: float) -> float:
    """Return the place in an interval that the start has in its own, by days of the month."""
    if interval.months is None:
        own, _ = _bounds(interval, start, 0)
        return min(begin + start - own, end)
    scale = DAY_S if interval.is_of_seconds else 1
    day, first = date_of(start / scale), date_of(begin / scale)
    months = (day.year * 12 + day.month - 1) % interval.months
    month = first.year * 12 + first.month - 1 + months
    later = date(month // 12, month % 12 + 1, 1)
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    days = days_of(later) + min(day.day, (following - later).days) - 1
    return days * scale + (start % scale if scale > 1 else 0)
