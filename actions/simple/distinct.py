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


class DistinctParams(ActionParams):
    """Parameters of simple.distinct."""

    later: ClassVar[Mapping[str, str]] = {
        "repeated": "a column is described once, by itself",
        "resultOptions": "answers have one form",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers or text; left out: all there are."""
    include_missing: bool = True
    """Count missing as a value of its own."""
    max_n_vals: Annotated[int, Field(ge=0)] = 0
    """Most values that are counted of a column, 0 for no limit; ``Trunc`` tells there were more."""
    cas_out: OutTable | None = None
    """A table for the counts, which are then not part of the answer."""


@action("simple.distinct")
def distinct(ctx: Context, p: DistinctParams) -> ActionResult:
    """Return how many different values columns have, and how many rows miss one.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes.
        InvalidExpression: ``where`` cannot be read.
    """
    with study(ctx, p.table, p.inputs) as found:
        rows: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        for column in found.inputs:
            c = column.sql
            counted = found.by_group(
                f"SELECT g, count(DISTINCT {c}), count(*) - count({c}) FROM rows GROUP BY g"  # noqa: S608 - our names
            )
            for number, counts in counted.items():
                values, missing = counts[0] if counts else (0, 0)
                levels = values + int(p.include_missing and missing > 0)
                is_cut = 0 < p.max_n_vals < levels
                levels = p.max_n_vals if is_cut else levels
                rows[number].append([column.name, float(levels), float(missing), float(is_cut)])
        columns: Declared = (
            ("Column", "string"),
            ("NDistinct", "double"),
            ("NMiss", "double"),
            ("Trunc", "double"),
        )
        stored = {
            "Column": "_Column_",
            "NDistinct": "_NDis_",
            "NMiss": "_NMiss_",
            "Trunc": "_Truncated_",
        }
        title = f"Distinct Counts for {found.table.info.name.upper()}"
        part = Part("Distinct", columns, rows, title, stored=stored)
        return answer_or_store(ctx, found, p.cas_out, part)
