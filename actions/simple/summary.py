from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from actions.analysis import Input, Study, study
from actions.context import Context
from actions.grouped import Part, answer_or_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell
from engine.later import Later
from engine.layers.base import Synonyms

if TYPE_CHECKING:
    from scipy import special
else:
    special = Later("scipy.special")

Statistic = Literal[
    "MIN",
    "MAX",
    "N",
    "NMISS",
    "MEAN",
    "SUM",
    "STD",
    "STDERR",
    "VAR",
    "USS",
    "CSS",
    "CV",
    "TSTAT",
    "PROBT",
    "SKEWNESS",
    "KURTOSIS",
]

SHOWN: dict[Statistic, tuple[str, str]] = {
    "MIN": ("Min", "_Min_"),
    "MAX": ("Max", "_Max_"),
    "N": ("N", "_NObs_"),
    "NMISS": ("NMiss", "_NMiss_"),
    "MEAN": ("Mean", "_Mean_"),
    "SUM": ("Sum", "_Sum_"),
    "STD": ("Std", "_Std_"),
    "STDERR": ("StdErr", "_StdErr_"),
    "VAR": ("Var", "_Var_"),
    "USS": ("USS", "_USS_"),
    "CSS": ("CSS", "_CSS_"),
    "CV": ("CV", "_CV_"),
    "TSTAT": ("TValue", "_T_"),
    "PROBT": ("ProbT", "_PrT_"),
    "SKEWNESS": ("Skewness", "_Skewness_"),
    "KURTOSIS": ("Kurtosis", "_Kurtosis_"),
}
"""Columns of a statistic in the answer and in a stored table."""


class SummaryParams(ActionParams):
    """Parameters of simple.summary."""

    later: ClassVar[Mapping[str, str]] = {
        "freq": "every row counts as one",
        "weight": "every row counts as one",
        "repeated": "a column is described once, by itself",
        "qntldef": "percentiles are those of percentile.percentile",
        "resultOptions": "answers have one form",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers; left out: all there are."""
    sub_set: tuple[Annotated[Statistic, Synonyms({"T": "TSTAT"})], ...] = ()
    """Statistics to give; left out: all."""
    cas_out: OutTable | None = None
    """A table for the statistics, which are then not part of the answer."""


@action("simple.summary")
def summary(ctx: Context, p: SummaryParams) -> ActionResult:
    """Return what describes columns of numbers: least, greatest, mean, spread and shape.

    Missing values are counted and otherwise left out. Variances are over n - 1; ``TValue`` and
    ``ProbT`` test that the mean is zero; skewness and kurtosis are corrected for bias, kurtosis is
    that over a normal distribution's.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column does not hold numbers.
        InvalidExpression: ``where`` cannot be read.

    Source: SAS, elementary statistics procedures (VARDEF=DF).
    """
    wanted = p.sub_set or tuple(SHOWN)
    with study(ctx, p.table, p.inputs, wanted="numbers") as found:
        rows: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        for column in found.inputs:
            measured = _measured(found, column)
            for group in found.groups:
                values = measured[group.number]
                rows[group.number].append([column.name, *(values[each] for each in wanted)])
        part = Part(
            "Summary",
            (("Column", "string"), *((SHOWN[each][0], "double") for each in wanted)),
            rows,
            f"Descriptive Statistics for {found.table.info.name.upper()}",
            stored={"Column": "_Column_", **{SHOWN[each][0]: SHOWN[each][1] for each in wanted}},
        )
        return answer_or_store(ctx, found, p.cas_out, part)


def _measured(found: Study, column: Input) -> dict[int, dict[Statistic, float | None]]:
    """Return the statistics of a column for every group, from sums of powers about the mean."""
    c = column.sql
    rows = found.ask(
        f"WITH mean AS (SELECT g, favg({c}) AS m FROM rows GROUP BY g) "  # noqa: S608 - our names
        f"SELECT g, count(*), count({c}), min({c}), max({c}), fsum({c}), any_value(m), "
        f"fsum({c} * {c}), fsum(({c} - m) ** 2), fsum(({c} - m) ** 3), fsum(({c} - m) ** 4) "
        "FROM rows JOIN mean USING (g) GROUP BY g"
    )
    empty = _statistics(0, 0, (None,) * 8)
    measured = {group.number: empty for group in found.groups}
    measured.update({g: _statistics(every, n, sums) for g, every, n, *sums in rows})
    return measured


def _statistics(
    every: int, n: int, sums: tuple[float | None, ...] | list[float | None]
) -> dict[Statistic, float | None]:
    least, most, total, mean, raw, second, third, fourth = sums
    found: dict[Statistic, float | None] = dict.fromkeys(SHOWN)
    found |= {"N": float(n), "NMISS": float(every - n), "MIN": least, "MAX": most}
    found |= {"SUM": total, "MEAN": mean, "USS": raw, "CSS": second}
    if n > 1 and mean is not None and second is not None:
        found |= _spread(n, mean, second)
    if second and third is not None and fourth is not None:
        found |= _shape(n, second, third, fourth)
    return found


def _spread(n: int, mean: float, second: float) -> dict[Statistic, float | None]:
    variance = second / (n - 1)
    deviation = sqrt(variance)
    error = deviation / sqrt(n)
    value = mean / error if error else None
    return {
        "VAR": variance,
        "STD": deviation,
        "STDERR": error,
        "CV": 100 * deviation / mean if mean else None,
        "TSTAT": value,
        "PROBT": None if value is None else float(2 * special.stdtr(n - 1, -abs(value))),
    }


def _shape(n: int, second: float, third: float, fourth: float) -> dict[Statistic, float | None]:
    found: dict[Statistic, float | None] = {}
    variance = second / (n - 1)
    if n > 2:
        found["SKEWNESS"] = n / ((n - 1) * (n - 2)) * third / variance**1.5
    if n > 3:
        weight = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
        excess = 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))
        found["KURTOSIS"] = weight * fourth / variance**2 - excess
    return found
