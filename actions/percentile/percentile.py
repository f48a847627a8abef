from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from actions.analysis import study
from actions.answers import Declared
from actions.context import Context
from actions.grouped import Part, answer_or_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell
from engine.layers.base import Aliases

QUARTILES = (25.0, 50.0, 75.0)


class PercentileParams(ActionParams):
    """Parameters of percentile.percentile."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "freq": "every row counts as one",
        "boxPlot": "only percentiles are computed",
        "maxIters": "percentiles are exact, nothing is approximated",
        "epsilon": "percentiles are exact, nothing is approximated",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers; left out: all there are."""
    values: Annotated[tuple[Annotated[float, Field(ge=0, le=100)], ...], Aliases("pctl")] = ()
    """Percentages; left out: 25, 50 and 75."""
    pct_def: Annotated[int, Field(ge=5, le=5)] = 5
    """Definition of a percentile; 5, the empirical distribution with averaging, is the only one."""
    multi_table: bool = True
    """Accepted; groups always have tables of their own."""
    cas_out: OutTable | None = None
    """A table for the values, which are then not part of the answer."""


@action("percentile.percentile", aliases=("percentile.pctl",))
def percentile(ctx: Context, p: PercentileParams) -> ActionResult:
    """Return percentiles of columns of numbers.

    Of n values in order, with n p / 100 = j + g: the mean of the j-th and the next where g is 0,
    else the next. ``Converged`` is always 1, as nothing is approximated.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column does not hold numbers, or a percentage is out of range.
        InvalidExpression: ``where`` cannot be read.

    Source: SAS, PCTLDEF=5.
    """
    wanted = p.values or QUARTILES
    with study(ctx, p.table, p.inputs, wanted="numbers") as found:
        rows: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        for column in found.inputs:
            values = ", ".join(_sql(each) for each in wanted)
            counted = found.by_group(
                f"WITH v AS (SELECT g, {column.sql} AS c, "  # noqa: S608 - our names
                f"row_number() OVER (PARTITION BY g ORDER BY {column.sql}) AS i, "
                f"count(*) OVER (PARTITION BY g) AS n FROM rows WHERE {column.sql} IS NOT NULL) "
                f"SELECT g, {values} FROM v GROUP BY g"
            )
            for number, measured in counted.items():
                found_values = measured[0] if measured else [None] * len(wanted)
                for each, value in zip(wanted, found_values, strict=True):
                    rows[number].append([column.name, each, value, 1.0])
        columns: Declared = (
            ("Variable", "string"),
            ("Pctl", "double"),
            ("Value", "double"),
            ("Converged", "double"),
        )
        stored = {
            "Variable": "_Column_",
            "Pctl": "_Pctl_",
            "Value": "_Value_",
            "Converged": "_Converged_",
        }
        title = f"Percentiles for {found.table.info.name.upper()}"
        part = Part("Percentile", columns, rows, title, stored=stored)
        return answer_or_store(ctx, found, p.cas_out, part)


def _sql(percent: float) -> str:
    """Return the SQL of a percentile over values c in the places i of n."""
    place = f"(n * {percent!r}::DOUBLE / 100)"
    last = f"least(greatest(floor({place}) + 1, 1), n)"
    first = f"CASE WHEN floor({place}) = {place} THEN greatest(floor({place}), 1) ELSE {last} END"
    return f"(max(c) FILTER (WHERE i = {first}) + max(c) FILTER (WHERE i = {last})) / 2"
