"""Values of columns as the dialect sees them: a number, or text.

Whole numbers, truth values, dates and times are numbers as well: a date is its days since
1960-01-01, a date with a time the seconds since then, a time of day the seconds since midnight.
Missing are a null and, among numbers, what is no number; among text, what is blank.

Source: SAS date, time and datetime values; missing values.
"""

from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from typing import Literal

import pyarrow as pa

Kind = Literal["number", "text", "binary"]

EPOCH_DAYS = 3653
"""Days from 1960-01-01, where dates of the dialect begin, to 1970-01-01."""
EPOCH_SECONDS = EPOCH_DAYS * 86_400
BEST_WIDTH = 12
"""Characters a number is shown in, the width of the format BEST12."""


def kind_of(kind: pa.DataType) -> Kind:
    """Return what a column of Arrow holds in the eyes of the dialect."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "binary"
    is_number = (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_date(kind)
        or pa.types.is_time(kind)
        or pa.types.is_timestamp(kind)
    )
    return "number" if is_number else "text"


def value_sql(kind: pa.DataType, name: str) -> str:
    """Return the SQL of a column's value, with null for missing; ``name`` is quoted already."""
    if kind_of(kind) == "text":
        return f"nullif(rtrim({name}::VARCHAR, ' '), '')"
    if pa.types.is_floating(kind):
        return f"(CASE WHEN isnan({name}) THEN NULL ELSE {name}::DOUBLE END)"
    if pa.types.is_date(kind):
        return f"(epoch({name}::DATE) / 86400.0 + {EPOCH_DAYS})"
    if pa.types.is_timestamp(kind):
        return f"(epoch_us({name}) / 1e6 + {EPOCH_SECONDS})"
    if pa.types.is_time(kind):
        return f"(epoch_us({name}::TIME) / 1e6)"
    return name if kind_of(kind) == "binary" else f"({name}::DOUBLE)"


def number_of(value: object) -> float | None:
    """Return a Python value of a numeric column as the number it is; None is missing."""
    match value:
        case datetime():
            moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
            return (moment - datetime(1960, 1, 1)).total_seconds()  # noqa: DTZ001 - UTC by rule
        case date():
            return float((value - date(1960, 1, 1)).days)
        case time():
            return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
        case bool() | int() | float():
            return float(value) if value == value else None
        case _:
            return None


def arrow_value(value: float, kind: pa.DataType) -> object:
    """Return a number as the value of a column of a type; the reverse of :func:`number_of`."""
    if pa.types.is_date(kind):
        return date(1960, 1, 1) + timedelta(days=int(value))
    if pa.types.is_timestamp(kind):
        zone = UTC if kind.tz else None
        return datetime(1960, 1, 1, tzinfo=zone) + timedelta(seconds=value)
    if pa.types.is_time(kind):
        whole = timedelta(seconds=value % 86_400)
        return (datetime(1960, 1, 1) + whole).time()  # noqa: DTZ001 - only the time is used
    if pa.types.is_boolean(kind):
        return value != 0
    return int(value) if pa.types.is_integer(kind) else value


def formatted(value: float | str | None, kind: pa.DataType) -> str:
    """Return a value as the dialect shows it; numbers in at most twelve characters.

    Source: the formats BEST12. and, for dates and times, ISO 8601.
    """
    if value is None:
        return "" if kind_of(kind) == "text" else "."
    if isinstance(value, str):
        return value
    if pa.types.is_temporal(kind):
        found = arrow_value(value, kind)
        return found.isoformat() if isinstance(found, date | time) else str(found)
    return best(value)


def best(value: float, width: int = BEST_WIDTH) -> str:
    """Return a number with as many digits as fit into a width."""
    if not isfinite(value):
        return "I" if value > 0 else "M"
    for digits in range(width, 0, -1):
        text = f"{value:.{digits}g}"
        if "e" in text:
            mantissa, _, power = text.partition("e")
            text = f"{mantissa}E{int(power)}"
            plain = f"{value:.0f}"
            text = plain if len(plain) <= width and float(plain) == value else text
        if len(text) <= width:
            return text
    return "*" * width
