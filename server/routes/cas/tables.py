"""Result tables as CAS writes them: typed columns, widths, and a missing value for every type.

Source: CAS REST dialect, result tables (4).
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from actions.results import Json

MISSING_INT64 = -(1 << 63)
MISSING_INT32 = -(1 << 31)

EPOCH = datetime(1960, 1, 1, tzinfo=UTC)
"""The moment CAS counts days and microseconds from."""

_MICROSECOND = timedelta(microseconds=1)

NUMBER_WIDTH = 8
INT32_WIDTH = 4


def cas_table(name: str, table: Mapping[str, Any]) -> dict[str, Json]:
    """Return a result table of ``/v1`` as one of ``/cas``."""
    columns: list[dict[str, Any]] = table["columns"]
    cells = [
        _cells(column["type"], values)
        for column, values in zip(columns, _turned(table), strict=True)
    ]
    return {
        "_ctb": True,
        "name": name.rpartition(".")[2],
        "label": "",
        "title": table.get("title") or "",
        "attributes": {
            key: _attribute(value) for key, value in table.get("attributes", {}).items()
        },
        "schema": [_column(column, values) for column, values in zip(columns, cells, strict=True)],
        "rows": [list(row) for row in zip(*cells, strict=True)],
    }


def _turned(table: Mapping[str, Any]) -> list[list[Json]]:
    """Return the rows of a table as columns."""
    rows: list[list[Json]] = table["rows"]
    return [[row[at] for row in rows] for at in range(len(table["columns"]))]


def _column(column: Mapping[str, Any], cells: list[Json]) -> Json:
    kind, width = _TYPES[column["type"]]
    if kind == "string":
        width = max((len(str(each).encode()) for each in cells), default=1) or 1
    media_type = column.get("media_type")
    return {
        "name": column["name"],
        "label": column.get("label") or "",
        "type": kind,
        "width": width,
        "format": column.get("format") or "",
        "attributes": {"MIMEType": _attribute(media_type)} if media_type else {},
    }


def _attribute(value: Json) -> Json:
    if isinstance(value, bool | int):
        return {"type": "int64", "value": int(value)}
    if isinstance(value, float):
        return {"type": "double", "value": value}
    return {"type": "string", "value": "" if value is None else str(value)}


def _days(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH.date()).days


def _moment(text: str) -> int:
    return (datetime.fromisoformat(text).astimezone(UTC) - EPOCH) // _MICROSECOND


def _clock(text: str) -> int:
    found = time.fromisoformat(text)
    seconds = (found.hour * 60 + found.minute) * 60 + found.second
    return seconds * 1_000_000 + found.microsecond


def _blob(text: str) -> Json:
    return {"data": text, "length": len(b64decode(text))}


_TYPES: dict[str, tuple[str, int]] = {
    "string": ("string", 1),
    "double": ("double", NUMBER_WIDTH),
    "int64": ("int64", NUMBER_WIDTH),
    "int32": ("int32", INT32_WIDTH),
    "bool": ("int32", INT32_WIDTH),
    "binary": ("varbinary", NUMBER_WIDTH),
    "datetime": ("datetime", NUMBER_WIDTH),
    "date": ("date", INT32_WIDTH),
    "time": ("time", NUMBER_WIDTH),
}
"""What CAS calls a type of ours, and the bytes of a value."""

_MISSING: dict[str, Json] = {
    "string": "",
    "int64": MISSING_INT64,
    "int32": MISSING_INT32,
    "bool": MISSING_INT32,
    "datetime": MISSING_INT64,
    "time": MISSING_INT64,
    "date": MISSING_INT32,
}
"""What stands for a missing value; of other types it is null."""

_CONVERTED = cast(
    "dict[str, Callable[[Json], Json]]",
    {
        "bool": int,
        "datetime": _moment,
        "date": _days,
        "time": _clock,
        "binary": _blob,
    },
)


def _cells(kind: str, values: list[Json]) -> list[Json]:
    missing, convert = _MISSING.get(kind), _CONVERTED.get(kind)
    if convert is None:
        return [missing if value is None else value for value in values]
    return [missing if value is None else convert(value) for value in values]
