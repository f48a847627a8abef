"""Formats, which turn values into text, and informats, which turn text into values.

Source: the SAS formats and informats of the same names.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import get_close_matches

import pyarrow as pa

from actions.errors import InvalidExpression
from actions.language.functions import Value, function
from actions.language.intervals import DAY_S, date_of
from actions.language.moments import MONTHS, read_date, read_datetime, read_time
from actions.values import best

_PARTS = re.compile(r"(\$?[a-z_]*?)(\d*)(?:\.(\d*))?", re.IGNORECASE)

Format = Callable[[float, int, int], str]
Informat = Callable[[str, int], float | None]


def _number(x: float, width: int, decimals: int) -> str:
    text = f"{x:.{decimals}f}"
    return text.rjust(width) if len(text) <= width else best(x, width).rjust(width)


def _comma(x: float, width: int, decimals: int) -> str:
    return f"{x:,.{decimals}f}".rjust(width)


def _day(x: float, width: int, decimals: int) -> str:
    del decimals
    day = date_of(x)
    year = f"{day.year:04}" if width >= 9 else f"{day.year % 100:02}"
    return f"{day.day:02}{MONTHS[day.month - 1].upper()}{year}"


def _numbers(order: str) -> Format:
    def show(x: float, width: int, decimals: int) -> str:
        del decimals
        day = date_of(x)
        year = f"{day.year:04}" if width >= 10 else f"{day.year % 100:02}"
        parts = {"y": year, "m": f"{day.month:02}", "d": f"{day.day:02}"}
        sign = "-" if order[0] == "y" else "/"
        return (sign if width >= 8 else "").join(parts[each] for each in order)

    return show


def _clock(x: float, width: int, decimals: int) -> str:
    whole, sign = abs(x), "-" if x < 0 else ""
    seconds = f"{whole % 60:0{3 + decimals if decimals else 2}.{decimals}f}"
    text = f"{sign}{int(whole // 3600)}:{int(whole % 3600 // 60):02}:{seconds}"
    return text.rjust(width) if len(text) <= width else text.rpartition(":")[0].rjust(width)


def _moment(x: float, width: int, decimals: int) -> str:
    days, seconds = divmod(x, DAY_S)
    clock = _clock(seconds, 8, decimals).strip().rjust(8, "0")
    return f"{_day(days, 9 if width >= 18 else 7, 0)}:{clock}"


def _iso_moment(x: float, width: int, decimals: int) -> str:
    del width, decimals
    return (datetime(1960, 1, 1) + timedelta(seconds=x)).isoformat()  # noqa: DTZ001 - no zone


def _month_year(x: float, width: int, decimals: int) -> str:
    del decimals
    day = date_of(x)
    year = f"{day.year:04}" if width >= 7 else f"{day.year % 100:02}"
    return f"{MONTHS[day.month - 1].upper()}{year}"


FORMATS: dict[str, tuple[Format, int]] = {
    "": (_number, 12),
    "f": (_number, 12),
    "best": (lambda x, width, _: best(x, width).rjust(width), 12),
    "comma": (_comma, 6),
    "dollar": (lambda x, width, decimals: f"${x:,.{decimals}f}".rjust(width), 6),
    "percent": (lambda x, width, decimals: f"{100 * x:.{decimals}f}%".rjust(width), 6),
    "z": (lambda x, width, decimals: f"{x:0{width}.{decimals}f}", 1),
    "date": (_day, 7),
    "datetime": (_moment, 16),
    "time": (_clock, 8),
    "hhmm": (lambda x, width, _: _clock(x, 5, 0).rjust(width), 5),
    "yymmdd": (_numbers("ymd"), 8),
    "mmddyy": (_numbers("mdy"), 8),
    "ddmmyy": (_numbers("dmy"), 8),
    "monyy": (_month_year, 5),
    "year": (lambda x, width, _: f"{date_of(x).year:04}".rjust(width), 4),
    "month": (lambda x, width, _: f"{date_of(x).month}".rjust(width), 2),
    "day": (lambda x, width, _: f"{date_of(x).day}".rjust(width), 2),
    "b8601dt": (_iso_moment, 19),
    "e8601dt": (_iso_moment, 19),
    "e8601da": (lambda x, width, _: date_of(x).isoformat()[:width], 10),
}
"""Formats of numbers: what shows one in a width with decimals, and the width left out."""


def _read_number(text: str, decimals: int) -> float | None:
    cleaned = text.replace(",", "").replace("$", "").strip()
    try:
        value = float(cleaned)
    except ValueError:
        return None
    is_whole = cleaned.lstrip("+-").isdigit()
    return value / 10**decimals if is_whole and decimals else value


def _ordered(order: str) -> Informat:
    def read(text: str, decimals: int) -> float | None:
        del decimals
        parts = re.findall(r"\d+", text)
        if len(parts) == 1 and len(parts[0]) == 8:
            first = 4 if order[0] == "y" else 2
            digits = parts[0]
            rest = (digits[first : first + 2], digits[first + 2 :])
            parts = [digits[:first], *rest]
        if len(parts) != 3:
            return None
        found = dict(zip(order, parts, strict=True))
        year = int(found["y"]) + (2000 if len(found["y"]) == 2 else 0)
        return read_date(f"{year:04}-{int(found['m']):02}-{int(found['d']):02}")

    return read


INFORMATS: dict[str, Informat] = {
    "": _read_number,
    "f": _read_number,
    "best": _read_number,
    "comma": _read_number,
    "dollar": _read_number,
    "date": lambda text, _: read_date(text),
    "datetime": lambda text, _: read_datetime(text),
    "time": lambda text, _: read_time(text),
    "yymmdd": _ordered("ymd"),
    "mmddyy": _ordered("mdy"),
    "ddmmyy": _ordered("dmy"),
    "anydtdte": lambda text, _: read_date(text),
    "anydtdtm": lambda text, _: read_datetime(text),
    "e8601da": lambda text, _: read_date(text),
    "e8601dt": lambda text, _: read_datetime(text),
}
"""Informats of numbers."""

_MOMENTS: dict[str, pa.DataType] = {
    **dict.fromkeys(("date", "yymmdd", "mmddyy", "ddmmyy", "monyy", "e8601da"), pa.date32()),
    **dict.fromkeys(("datetime", "b8601dt", "e8601dt"), pa.timestamp("us")),
    **dict.fromkeys(("time", "hhmm"), pa.time64("us")),
}
"""Formats that tell a number to be a date, a moment or a time of day."""

_TEXT_FORMATS = ("$", "$char", "$varying", "$f")


def split(text: str) -> tuple[str, int | None, int]:
    """Return the name, the width and the decimals of a format; ``8.2`` has no name.

    Raises:
        InvalidExpression: it is no format.
    """
    match = _PARTS.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidExpression(
            f"the format {text!r} cannot be read, expected one such as '8.2' or 'date9.'",
            got=text,
        )
    name, width = match[1], match[2]
    for known in ("b8601dt", "e8601dt", "e8601da"):
        if text.strip().lower().startswith(known):
            width = match[2].removeprefix("8601") if name in ("b", "e") else width
            name, width = known, re.sub(r"\D", "", text.strip().lower().removeprefix(known))
    return name, int(width) if width else None, int(match[3] or 0)


def is_text_format(text: str) -> bool:
    """Return whether a format is one of text."""
    return text.strip().startswith("$")


def moment_type(text: str) -> pa.DataType | None:
    """Return the type of the dates, moments or times a format shows; None for other values."""
    return _MOMENTS.get(split(text)[0])


def check(text: str, *, reads: bool) -> None:
    """Check that a format, or with ``reads`` an informat, is known.

    Raises:
        InvalidExpression: it is not; the message names the nearest.
    """
    name, _, _ = split(text)
    known = _TEXT_FORMATS if is_text_format(text) else tuple(INFORMATS if reads else FORMATS)
    if name in known:
        return
    near = [f"{each}." for each in get_close_matches(name, known, n=3) if each]
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    word = "informat" if reads else "format"
    raise InvalidExpression(f"the {word} {text!r} is not known{hint}", got=text, nearest=near)


def put(value: Value, text: str) -> str:
    """Return a value in a format."""
    name, width, decimals = split(text)
    if isinstance(value, str):
        return value if width is None else value[:width].ljust(width)
    show, usual = FORMATS[name]
    width = usual if width is None else width
    if value is None:
        return ".".rjust(width)
    try:
        return show(value, width, decimals)
    except (OverflowError, ValueError):
        return "*" * width


def read(value: str, text: str) -> Value:
    """Return text in an informat: text again, or a number."""
    name, width, decimals = split(text)
    if is_text_format(text):
        return value if width is None else value[:width]
    part = value if width is None else value[:width]
    if not part.strip() or part.strip() == ".":
        return None
    return INFORMATS[name](part, decimals)


def _known(text: str, *, reads: bool) -> str:
    check(text, reads=reads)
    return text


@function("put", "a t", "text")
def _put(value: Value, text: str) -> str:
    return put(value, _known(text, reads=False))


@function("putn", "n t", "text")
def _putn(value: float | None, text: str) -> str:
    return put(value, _known(text, reads=False))


@function("putc", "t t", "text")
def _putc(value: str, text: str) -> str:
    return put(value, "$" + _known(text if text.startswith("$") else f"${text}", reads=False)[1:])


@function("inputn", "t t", "number")
def _inputn(value: str, text: str) -> Value:
    return read(value, _known(text, reads=True))


@function("inputc", "t t", "text")
def _inputc(value: str, text: str) -> str:
    return str(read(value, _known(text if text.startswith("$") else f"${text}", reads=True)))
