from collections.abc import Mapping
from typing import ClassVar
from uuid import uuid4

from actions.analysis import study
from actions.context import Context
from actions.errors import InvalidParameters
from actions.grouped import Part, answer_or_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult


class GroupByInfoParams(ActionParams):
    """Parameters of simple.groupByInfo."""

    later: ClassVar[Mapping[str, str]] = {
        "generatedColumns": "all columns about groups are always written",
        "copyVars": "a group has many rows, whose values differ",
        "minFrequency": "choose among the groups that were written",
        "maxFrequency": "choose among the groups that were written",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    no_vars: bool = False
    """Accepted; no columns but those of the groups are written either way."""
    include_missing: bool = True
    """Accepted; groups in which a value is missing are written."""
    cas_out: OutTable | None = None
    """The table to write; left out: one of a name that is made up."""


@action("simple.groupByInfo")
def group_by_info(ctx: Context, p: GroupByInfoParams) -> ActionResult:
    """Write a table with a row for each group: its values, its number, and its rows.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: ``groupBy`` names no column, or one that holds bytes.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    if not p.table.group_by:
        raise InvalidParameters(
            "parameter 'table.groupBy' got no column, expected at least one",
            parameter="table.groupBy",
        )
    first = Variable(name=p.table.group_by[0].name)
    with study(ctx, p.table, (first,)) as found:
        counted = found.by_group("SELECT g, g, count(*) FROM rows GROUP BY g")
        rows = {g: [(number, float(n)) for number, n in each] for g, each in counted.items()}
        part = Part("GroupByInfo", (("_GroupID_", "int64"), ("_Frequency_", "double")), rows)
        out = p.cas_out or OutTable(name=f"_T_{uuid4().hex.upper()}")
        return answer_or_store(ctx, found, out, part)
