"""What an action answers: named tables with typed columns, values, and messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["string", "int64", "double", "bool", "binary", "datetime"]
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Cell = str | int | float | bool | bytes | None


@dataclass(frozen=True)
class Column:
    """A column of a result table."""

    name: str
    type: ColumnType
    label: str = ""


@dataclass(frozen=True)
class ResultTable:
    """A small table of an answer; data tables are fetched in pages instead."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""

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
    values: Mapping[str, Json] = field(default_factory=dict)
    messages: Sequence[Message] = ()
