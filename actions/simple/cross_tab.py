from collections.abc import Mapping
from typing import ClassVar

from actions.analysis import Study, Value, study
from actions.context import Context
from actions.errors import TooLarge
from actions.grouped import Part, answer
from actions.params import NAME_LENGTH, ActionParams, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell, ColumnType

MOST_LEVELS = 10_000
"""Columns of a cross tabulation."""


class CrossTabParams(ActionParams):
    """Parameters of simple.crossTab."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "aggregator": "cells hold counts",
        "association": "values are counted, not tested",
        "chiSq": "values are counted, not tested",
        "rowNBins": "every value is a row",
        "colNBins": "every value is a column",
        "casOut": "the counts are in the answer",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    row: Variable
    """The column whose values are the rows."""
    col: Variable
    """The column whose values are the columns."""
    include_missing: bool = True
    """Count missing values as a value of their own."""


@action("simple.crossTab")
def cross_tab(ctx: Context, p: CrossTabParams) -> ActionResult:
    """Return how often the values of two columns occur together.

    The first column of ``Crosstab`` has the name of the row variable and its values as text;
    ``Col1``, ``Col2`` ... are labelled with the values of the column variable. Both are in order.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes.
        InvalidExpression: ``where`` cannot be read.
        TooLarge: the column variable has more values than an answer may have columns.
    """
    with study(ctx, p.table, (p.row, p.col)) as found:
        row, col = found.inputs
        where = "" if p.include_missing else "WHERE c0 IS NOT NULL AND c1 IS NOT NULL"
        levels = [
            value
            for (value,) in found.ask(
                f"SELECT DISTINCT c1 FROM rows {where} ORDER BY c1 NULLS FIRST LIMIT "  # noqa: S608 - our names
                f"{MOST_LEVELS + 1}"
            )
        ]
        if len(levels) > MOST_LEVELS:
            raise TooLarge(
                f"parameter 'col' got {col.name!r}, which has more than {MOST_LEVELS} values, "
                "expected at most as many",
                column=col.name,
                limit=MOST_LEVELS,
            )
        rows = _counted(found, levels, where)
        names = [f"Col{at}" for at in range(1, len(levels) + 1)]
        if row.name.casefold() in {name.casefold() for name in names}:
            names = [f"_{name}" for name in names]
        columns: list[tuple[str, ColumnType]] = [(row.name[:NAME_LENGTH], "string")]
        columns += [(name, "double") for name in names]
        labels = dict(zip(names, map(col.shown, levels), strict=True))
        title = f"Cross-Tabulation for {found.table.info.name.upper()}"
        return answer(found, Part("Crosstab", columns, rows, title, labels))


def _counted(found: Study, levels: list[Value], where: str) -> dict[int, list[list[Cell]]]:
    """Return the lines of every group: the row's value as text, then a count for each level."""
    row = found.inputs[0]
    place = {value: at for at, value in enumerate(levels, start=1)}
    counted = found.by_group(
        f"SELECT g, c0, c1, count(*) FROM rows {where} GROUP BY ALL ORDER BY g, c0 NULLS FIRST"  # noqa: S608 - our names
    )
    rows: dict[int, list[list[Cell]]] = {}
    for number, cells in counted.items():
        lines: dict[Value, list[Cell]] = {}
        for value, level, count in cells:
            line = lines.setdefault(value, [row.shown(value), *[0.0] * len(levels)])
            line[place[level]] = float(count)
        rows[number] = list(lines.values())
    return rows
