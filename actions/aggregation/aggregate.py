from collections.abc import Mapping
from contextlib import ExitStack
from typing import ClassVar, Literal

from pydantic import Field

from actions.analysis import Input, Study, Wanted, study
from actions.answers import Declared
from actions.context import Context
from actions.grouped import Part, answer_or_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell

Aggregate = Literal["N", "NMISS", "MIN", "MAX", "MEAN", "SUM", "STD", "VAR", "CSS", "USS", "STDERR"]

SQL: dict[Aggregate, tuple[str, str]] = {
    "N": ("N", "count({c})::DOUBLE"),
    "NMISS": ("NMiss", "(count(*) - count({c}))::DOUBLE"),
    "MIN": ("Min", "min({c})"),
    "MAX": ("Max", "max({c})"),
    "MEAN": ("Mean", "favg({c})"),
    "SUM": ("Sum", "fsum({c})"),
    "STD": ("Std", "stddev_samp({c})"),
    "VAR": ("Var", "var_samp({c})"),
    "CSS": ("CSS", "CASE WHEN count({c}) > 0 THEN var_pop({c}) * count({c}) END"),
    "USS": ("USS", "fsum({c} * {c})"),
    "STDERR": ("StdErr", "stddev_samp({c}) / sqrt(count({c}))"),
}
"""What is computed: the column that tells it, and its SQL."""

OF_TEXT: frozenset[Aggregate] = frozenset(("N", "NMISS"))
"""What is computed of text, too."""


class VarSpec(ActionParams):
    """Columns, and what is computed of them."""

    shorthand = "names"
    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "columnNames": "columns of the answer have names of their own",
        "subSet": "'agg' says what is computed",
        "summarySubset": "'agg' says what is computed",
        "outputName": "columns of the answer have names of their own",
    }

    names: tuple[Variable, ...] = ()
    """The columns; left out: all that suit."""
    name: str | None = None
    """One column, in place of ``names``."""
    agg: Aggregate | None = None
    """What is computed; left out: everything."""


class AggregateParams(ActionParams):
    """Parameters of aggregation.aggregate."""

    later = dict.fromkeys(
        ("id", "interval", "windowInt", "edge", "align", "offset"),
        "rows are grouped by 'table.groupBy', not by time",
    )

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    var_specs: tuple[VarSpec, ...] = Field(min_length=1)
    """What is computed of which columns."""
    cas_out: OutTable | None = None
    """A table for the values, which are then not part of the answer."""


@action("aggregation.aggregate")
def aggregate(ctx: Context, p: AggregateParams) -> ActionResult:
    """Return counts, sums, means and the like of columns, a row for each.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column does not hold numbers where they are needed.
        InvalidExpression: ``where`` cannot be read.
    """
    with ExitStack() as stack:
        parts: list[Part] = []
        for place, spec in enumerate(p.var_specs, start=1):
            wanted = (spec.agg,) if spec.agg is not None else tuple(SQL)
            inputs = spec.names or ((Variable(name=spec.name),) if spec.name else ())
            kinds: Wanted = "all" if OF_TEXT.issuperset(wanted) else "numbers"
            found = stack.enter_context(study(ctx, p.table, inputs, wanted=kinds))
            name = "Aggregate" if len(p.var_specs) == 1 else f"Aggregate{place}"
            parts.append(_part(found, name, wanted))
        return answer_or_store(ctx, found, p.cas_out, *parts)


def _part(found: Study, name: str, wanted: tuple[Aggregate, ...]) -> Part:
    rows: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
    for column in found.inputs:
        for number, values in found.by_group(_sql(column, wanted)).items():
            rows[number].append([column.name, *(values[0] if values else [None] * len(wanted))])
    columns: Declared = (("Column", "string"), *((SQL[each][0], "double") for each in wanted))
    stored = {"Column": "_Column_", **{SQL[each][0]: f"_{SQL[each][0]}_" for each in wanted}}
    return Part(name, columns, rows, "Aggregated Values", stored=stored)


def _sql(column: Input, wanted: tuple[Aggregate, ...]) -> str:
    asked = ", ".join(SQL[each][1].format(c=column.sql) for each in wanted)
    return f"SELECT g, {asked} FROM rows GROUP BY g"  # noqa: S608 - our names
