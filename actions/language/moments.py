"""Constants for dates and times, such as ``'31jan2024'd`` and ``'12:30:00't``."""

import re
from datetime import date, time

from actions.errors import InvalidExpression
from actions.language.nodes import Place
from actions.values import number_of

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_DATE = re.compile(r"\s*(\d{1,2})-?([a-z]{3})-?(\d{4})\s*", re.IGNORECASE)
_TIME = re.compile(r"\s*(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*(am|pm)?\s*", re.IGNORECASE)


def moment(text: str, place: Place) -> float:
    """Return a constant as a number: days or seconds since 1960, or seconds since midnight.

    Raises:
        InvalidExpression: it is no date or time.
    """
    kind = text[text.rindex(text[0]) + 1 :].lower()
    inside = text[1 : text.rindex(text[0])]
    found = {"d": read_date, "t": read_time, "dt": read_datetime}[kind](inside)
    if found is None:
        expected = {"d": "'31jan2024'd", "t": "'12:30:00't", "dt": "'31jan2024:12:30:00'dt"}[kind]
        raise InvalidExpression(
            f"the expression at {place} got {text}, expected a constant such as {expected}",
            line=place.line,
            column=place.column,
        )
    return found


def read_date(text: str) -> float | None:
    """Return days since 1960 of a text such as ``31jan2024`` or ``2024-01-31``."""
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            return number_of(date.fromisoformat(text.strip()))
        month = MONTHS.index(match[2].lower()) + 1
        return number_of(date(int(match[3]), month, int(match[1])))
    except ValueError:
        return None


def read_time(text: str) -> float | None:
    """Return seconds since midnight of a text such as ``12:30:00``."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour = int(match[1])
    if match[4]:
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    seconds = float(match[3] or 0)
    try:
        time(hour, int(match[2]), int(seconds))
    except ValueError:
        return None
    return hour * 3600.0 + int(match[2]) * 60 + seconds


def read_datetime(text: str) -> float | None:
    """Return seconds since 1960 of a text such as ``31jan2024:12:30:00`` or in ISO 8601."""
    day, mark, clock = text.strip().partition(":")
    if "T" in day or " " in day:
        iso = text.strip().replace(" ", "T")
        day, mark, clock = iso.partition("T")
    days = read_date(day)
    seconds = read_time(clock) if mark else 0.0
    return None if days is None or seconds is None else days * 86_400 + seconds
