"""What an action answers: named tables, values and messages."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from castorch._errors import InvalidInput, ProtocolFailed
from castorch._extras import need
from castorch._text import format_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ResultTable:
    """A table of an answer.

    Attributes:
        names: the columns, in order.
        rows: one tuple a row; missing values are None.
        types: the server's type of each column (``string int64 double bool binary datetime``).
        title: what the table shows, for people.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    types: tuple[str, ...] = ()
    title: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the rows as dictionaries by column name."""
        return (dict(zip(self.names, row, strict=True)) for row in self.rows)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries by column name."""
        return list(self)

    def column(self, name: str) -> list[Any]:
        """Return the values of one column, found without regard to case.

        Raises:
            InvalidInput: there is no such column.
        """
        folded = [each.lower() for each in self.names]
        if name.lower() not in folded:
            raise InvalidInput(
                f"the result table has no column {name!r}; it has {', '.join(self.names)}",
                column=name,
                columns=list(self.names),
            )
        at = folded.index(name.lower())
        return [row[at] for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a data frame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        pandas = need("pandas", "a table as a data frame", extra="pandas")
        frame: pd.DataFrame = pandas.DataFrame(list(self.rows), columns=list(self.names))
        return frame

    def __str__(self) -> str:
        return format_table(self.names, self.rows, title=self.title)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.names)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<tr>{head}</tr>{rows}</table>"


def _html(cell: Any) -> str:
    return "" if cell is None else escape(str(cell))


@dataclass(frozen=True)
class Message:
    """A line of the log that goes with an answer: ``note``, ``warning`` or ``error``."""

    text: str
    level: str = "note"


@dataclass(frozen=True)
class Result:
    """The answer of an action; ``result["ModelInfo"]`` is one of its tables.

    Attributes:
        tables: by name, in the order of the answer.
        values: everything that is not a table.
        messages: notes and warnings.
        elapsed_s: seconds the action took on the server; None when it was not said.
        job: id of the job that ran it, if one did.
    """

    tables: Mapping[str, ResultTable] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    elapsed_s: float | None = None
    job: str | None = None

    def __getitem__(self, name: str) -> ResultTable:
        """Return a table by its name, found without regard to case.

        Raises:
            KeyError: the answer has no such table.
        """
        for known, table in self.tables.items():
            if known.lower() == name.lower():
                return table
        raise KeyError(f"the result has no table {name!r}; it has {', '.join(self.tables)}")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in {each.lower() for each in self.tables}

    def facts(self, name: str) -> dict[str, Any]:
        """Return a table of two columns, such as ``ModelInfo``, as a dictionary."""
        return {str(row[0]): row[1] for row in self[name].rows}

    def __str__(self) -> str:
        tables = [str(table) for table in self.tables.values()]
        values = [f"{name}: {value}" for name, value in self.values.items()]
        messages = [f"{each.level.upper()}: {each.text}" for each in self.messages]
        return "\n\n".join(part for part in (*tables, "\n".join([*values, *messages])) if part)


def read_table(body: Any, name: str = "rows") -> ResultTable:
    """Return a result table from its JSON form.

    Raises:
        ProtocolFailed: the JSON is not a table.
    """
    try:
        columns = body["columns"]
        names = tuple(str(column["name"]) for column in columns)
        types = tuple(str(column.get("type", "")) for column in columns)
        rows = tuple(_read_row(row, types) for row in body["rows"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProtocolFailed(
            f"the server's table {name!r} is not of the form columns and rows", table=name
        ) from error
    return ResultTable(names, rows, types, str(body.get("title") or ""))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "binary": b64decode,
    "datetime": datetime.fromisoformat,
}


def _read_row(row: Sequence[Any], types: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        _READERS[kind](cell) if kind in _READERS and cell is not None else cell
        for cell, kind in zip(row, types, strict=True)
    )


def read_result(body: Mapping[str, Any]) -> Result:
    """Return the result an answer's JSON body stands for.

    Raises:
        ProtocolFailed: a table in it is not of the form expected.
    """
    tables = body.get("tables") or {}
    job = body.get("job")
    return Result(
        tables={name: read_table(table, name) for name, table in tables.items()},
        values=dict(body.get("values") or {}),
        messages=tuple(
            Message(str(each.get("text", "")), str(each.get("level", "note")))
            for each in body.get("messages") or ()
        ),
        elapsed_s=body.get("elapsed_s"),
        job=job if isinstance(job, str) else None,
    )
