from collections.abc import Mapping
from typing import ClassVar

from actions.analysis import Input, Study, study
from actions.context import Context
from actions.grouped import Part, answer_or_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell
from actions.simple.levels import level_columns, level_values, stored_level_columns


class FreqParams(ActionParams):
    """Parameters of simple.freq."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "repeated": "a column is described once, by itself",
        "outputTables": "'casOut' stores the counts",
        "resultOptions": "answers have one form",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers or text; left out: all there are."""
    include_missing: bool = True
    """Count missing values as a value of their own."""
    cas_out: OutTable | None = None
    """A table for the counts, which are then not part of the answer."""


@action("simple.freq")
def freq(ctx: Context, p: FreqParams) -> ActionResult:
    """Return how often each value of a column occurs, the values in their order.

    ``CharVar`` holds the values of text, ``NumVar`` those of numbers, ``FmtVar`` both as text.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes.
        InvalidExpression: ``where`` cannot be read.
    """
    with study(ctx, p.table, p.inputs) as found:
        rows: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        for column in found.inputs:
            _count(found, column, rows, include_missing=p.include_missing)
        columns = (
            ("Column", "string"),
            *level_columns(found.inputs),
            ("FmtVar", "string"),
            ("Level", "int64"),
            ("Frequency", "double"),
        )
        stored = {
            "Column": "_Column_",
            **stored_level_columns(found.inputs),
            "FmtVar": "_Fmtvar_",
            "Level": "_Level_",
            "Frequency": "_Frequency_",
        }
        title = f"Frequency for {found.table.info.name.upper()}"
        part = Part("Frequency", columns, rows, title, stored=stored)
        return answer_or_store(ctx, found, p.cas_out, part)


def _count(
    found: Study, column: Input, rows: dict[int, list[list[Cell]]], *, include_missing: bool
) -> None:
    c = column.sql
    where = "" if include_missing else f"WHERE {c} IS NOT NULL"
    counted = found.by_group(
        f"SELECT g, {c}, count(*) FROM rows {where} GROUP BY g, {c} ORDER BY g, {c} NULLS FIRST"  # noqa: S608 - our names
    )
    for number, levels in counted.items():
        for level, (value, count) in enumerate(levels, start=1):
            values = level_values(found.inputs, column, value)
            rows[number].append([column.name, *values, column.shown(value), level, float(count)])
