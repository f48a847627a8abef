"""The tables a DATA step reads and makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from actions.language.frame import Variable
from actions.language.nodes import DataSet, Option
from actions.language.rows import Row
from actions.language.transfer import column_of, result_type
from actions.params import TableRef
from actions.ports import Name, Output, StagedData

ROWS_AT_ONCE = 8192
"""Rows that are held before they are written."""


@dataclass
class Written:
    """A table a step makes.

    Attributes:
        columns: its columns with the variables they come from.
    """

    output: Output
    name: str
    columns: Sequence[tuple[str, Variable]]
    held: list[list[object]] = field(default_factory=list)
    staged: StagedData | None = None

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(name, result_type(each)) for name, each in self.columns])

    def add(self, row: Row) -> None:
        """Take the variables of a row."""
        self.held.append([row[each.slot] for _, each in self.columns])
        if len(self.held) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        assert self.staged is not None  # noqa: S101 - staged before the step runs
        if not self.held:
            return
        columns = [
            column_of([row[at] for row in self.held], each)
            for at, (_, each) in enumerate(self.columns)
        ]
        self.staged.write(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        self.held = []


def option_pairs(options: Sequence[Option], word: str) -> list[tuple[str, str]]:
    """Return the pairs of names of an option."""
    return [pair for each in options if each.word == word for pair in each.pairs]


def _text(table: DataSet, word: str) -> str:
    return next((each.text for each in table.options if each.word == word), "")


def _address(table: DataSet) -> tuple[str, str | None]:
    """Return name and caslib; ``lib.name`` names both."""
    lib, dot, name = table.name.partition(".")
    caslib = _text(table, "caslib")
    if dot and not caslib and lib and name:
        return name, None if lib.casefold() in ("work", "casuser") else lib
    return table.name, caslib or None


def reference(table: DataSet) -> TableRef:
    """Return the table to read."""
    name, caslib = _address(table)
    return TableRef(name=name, caslib=caslib)


def output_of(table: DataSet) -> Output:
    """Return where a table goes; it replaces one of its name unless ``replace=no`` is said."""
    name, caslib = _address(table)
    return Output(
        Name(name, caslib),
        replace=_text(table, "replace").lower() != "no",
        promote=_text(table, "promote").lower() == "yes",
        label=_text(table, "label"),
    )
