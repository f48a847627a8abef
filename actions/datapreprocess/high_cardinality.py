from collections.abc import Mapping
from typing import ClassVar

from actions.analysis import study
from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell


class HighCardinalityParams(ActionParams):
    """Parameters of dataPreprocess.highCardinality."""

    later: ClassVar[Mapping[str, str]] = {
        "casOut": "the counts are in the answer",
        "code": "no program is written",
        "rollup": "levels are counted, not merged",
        "requestPackages": "there is one measure, which is always taken",
    }

    table: TableRef
    """The table, and the ``where`` that chooses rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers or text; left out: all there are."""


@action("dataPreprocess.highCardinality")
def high_cardinality(ctx: Context, p: HighCardinalityParams) -> ActionResult:
    """Return how many different values columns have; the numbers are exact.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes.
        InvalidExpression: ``where`` cannot be read.
    """
    with study(ctx, p.table.model_copy(update={"group_by": ()}), p.inputs) as found:
        rows: list[list[Cell]] = []
        for column in found.inputs:
            c = column.sql
            ((levels, every, present),) = found.ask(
                f"SELECT count(DISTINCT {c}), count(*), count({c}) FROM rows"  # noqa: S608 - our names
            )
            rows.append([column.name, float(levels), float(every), float(every - present)])
    columns: Declared = (
        ("Variable", "string"),
        ("CardinalityEstimate", "double"),
        ("NObs", "double"),
        ("NMiss", "double"),
    )
    return ActionResult({"HighCardinalityDetails": result_table(columns, rows, "Cardinality")})
