from collections.abc import Mapping
from typing import ClassVar

from actions.analysis import study
from actions.answers import result_table
from actions.context import Context
from actions.params import ActionParams, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell, ColumnType


class GroupByParams(ActionParams):
    """Parameters of simple.groupBy."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "agg": "groups have no score but their rows",
        "scoreGt": "groups have no score but their rows",
        "scoreLt": "groups have no score but their rows",
        "casOut": "simple.groupByInfo stores groups",
        "resultOptions": "answers have one form",
    }

    table: TableRef
    """The table, and the ``where`` that chooses rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers or text; left out: those of ``groupBy``, or all there are."""
    include_missing: bool = True
    """Give groups in which a value is missing."""


@action("simple.groupBy")
def group_by(ctx: Context, p: GroupByParams) -> ActionResult:
    """Return the groups that columns make: their values, in order, and the rows of each.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes.
        InvalidExpression: ``where`` cannot be read.
    """
    table = p.table.model_copy(update={"group_by": ()})
    with study(ctx, table, p.inputs or p.table.group_by) as found:
        names = ", ".join(each.sql for each in found.inputs)
        order = ", ".join(f"{each.sql} NULLS FIRST" for each in found.inputs)
        present = " AND ".join(f"{each.sql} IS NOT NULL" for each in found.inputs)
        where = "" if p.include_missing else f"WHERE {present}"
        counted = found.ask(
            f"SELECT {names}, count(*) FROM rows {where} GROUP BY {names} ORDER BY {order}"  # noqa: S608 - our names
        )
        columns: list[tuple[str, ColumnType]] = []
        for each in found.inputs:
            columns.append((each.name, each.result_type))
            columns.append((f"{each.name}_f", "string"))
        rows: list[list[Cell]] = []
        for rank, (*values, count) in enumerate(counted, start=1):
            cells: list[Cell] = []
            for each, value in zip(found.inputs, values, strict=True):
                cells += [each.raw(value), each.shown(value)]
            rows.append([*cells, rank, float(count)])
        columns += [("Rank", "int64"), ("Score", "double")]
        title = f"Groups for {found.table.info.name.upper()}"
        return ActionResult({"Groupby": result_table(columns, rows, title)})
