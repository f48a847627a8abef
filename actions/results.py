"""What an action answers: named tables with typed columns, values, and messages."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from math import isfinite
from typing import Literal

ColumnType = Literal[
    "string", "int64", "int32", "double", "bool", "binary", "datetime", "date", "time"
]
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Cell = str | int | float | bool | bytes | datetime | None


@dataclass(frozen=True)
class Column:
    """A column of a result table.

    Attributes:
        format: how CAS shows a value, such as ``DATE9.``.
        media_type: what the bytes of a binary column are, such as ``image/png``.
    """

    name: str
    type: ColumnType
    label: str = ""
    format: str = ""
    media_type: str = ""


@dataclass(frozen=True)
class ResultTable:
    """A small table of an answer; data tables are fetched in pages instead.

    Attributes:
        attributes: facts about the whole table, such as which group of rows it is about.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    attributes: Mapping[str, Cell] = field(default_factory=dict)

    def records(self) -> list[dict[str, Cell]]:
        """Return the rows as dictionaries by column name."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Message:
    """A line of the log that goes with an answer."""

    text: str
    level: Literal["note", "warning", "error"] = "note"


@dataclass(frozen=True)
class ActionResult:
    """The answer of an action."""

    tables: Mapping[str, ResultTable] = field(default_factory=dict)
    values: Mapping[str, Json | bytes] = field(default_factory=dict)
    messages: Sequence[Message] = ()


def to_json(result: ActionResult) -> dict[str, Json]:
    """Return an answer as JSON values.

    NaN and infinity become null, bytes base64, and times ISO 8601 in UTC.
    """
    return {
        "tables": {name: _table(table) for name, table in result.tables.items()},
        "values": {name: json_value(value) for name, value in result.values.items()},
        "messages": [message_json(each) for each in result.messages],
    }


def message_json(message: Message) -> dict[str, Json]:
    """Return a line of the log as JSON values."""
    return {"level": message.level, "text": message.text}


def json_value(value: object) -> Json:
    """Return a value as the nearest JSON value."""
    match value:
        case float():
            return value if isfinite(value) else None
        case None | str() | bool() | int():
            return value
        case bytes():
            return b64encode(value).decode("ascii")
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {str(key): json_value(each) for key, each in value.items()}
        case list() | tuple():
            return [json_value(each) for each in value]
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _table(table: ResultTable) -> dict[str, Json]:
    columns: list[Json] = [_column(column) for column in table.columns]
    rows: list[Json] = [[json_value(cell) for cell in row] for row in table.rows]
    shown: dict[str, Json] = {"columns": columns, "rows": rows, "title": table.title}
    if table.attributes:
        shown["attributes"] = {name: json_value(each) for name, each in table.attributes.items()}
    return shown


def _column(column: Column) -> dict[str, Json]:
    facts: dict[str, Json] = {"name": column.name, "type": column.type, "label": column.label}
    if column.format:
        facts["format"] = column.format
    if column.media_type:
        facts["media_type"] = column.media_type
    return facts
