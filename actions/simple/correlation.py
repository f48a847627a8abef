from collections.abc import Mapping
from typing import ClassVar

from actions.analysis import study
from actions.context import Context
from actions.grouped import Part, answer
from actions.params import ActionParams, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell, ColumnType


class CorrelationParams(ActionParams):
    """Parameters of simple.correlation."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "casOut": "the correlations are in the answer",
        "resultOptions": "answers have one form",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers; left out: all there are."""
    simple: bool = True
    """Describe each column in ``CorrSimple`` as well."""


@action("simple.correlation", aliases=("simple.corr",))
def correlation(ctx: Context, p: CorrelationParams) -> ActionResult:
    """Return Pearson's correlation of every two columns, over the rows in which both have a value.

    It is missing where one of the columns does not vary.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column does not hold numbers.
        InvalidExpression: ``where`` cannot be read.
    """
    with study(ctx, p.table, p.inputs, wanted="numbers") as found:
        columns = [each.sql for each in found.inputs]
        related: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        described: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        for column in found.inputs:
            pairs = ", ".join(_pair(column.sql, other) for other in columns)
            for number, rows in found.by_group(f"SELECT g, {pairs} FROM rows GROUP BY g").items():  # noqa: S608 - our names
                values = rows[0] if rows else [None] * len(columns)
                related[number].append([column.name, *values])
            c = column.sql
            facts = found.by_group(
                f"SELECT g, count({c})::DOUBLE, favg({c}), stddev_samp({c}), fsum({c}), "  # noqa: S608 - our names
                f"min({c}), max({c}) FROM rows GROUP BY g"
            )
            for number, rows in facts.items():
                described[number].append([column.name, *(rows[0] if rows else (0.0, *[None] * 5))])
        named: list[tuple[str, ColumnType]] = [("Variable", "string")]
        named += [(each.name, "double") for each in found.inputs]
        title = found.table.info.name.upper()
        parts = [
            Part("Correlation", named, related, f"Pearson Correlation Coefficients for {title}")
        ]
        if p.simple:
            simple = ("N", "Mean", "StdDev", "Sum", "Minimum", "Maximum")
            columns_of: list[tuple[str, ColumnType]] = [("Variable", "string")]
            columns_of += [(name, "double") for name in simple]
            parts.insert(
                0, Part("CorrSimple", columns_of, described, f"Summary Statistics for {title}")
            )
        return answer(found, *parts)


def _pair(a: str, b: str) -> str:
    both = f"FILTER (WHERE {a} IS NOT NULL AND {b} IS NOT NULL)"
    varies = f"min({a}) {both} < max({a}) {both} AND min({b}) {both} < max({b}) {both}"
    return f"CASE WHEN {varies} THEN least(1, greatest(-1, corr({a}, {b}))) END"
