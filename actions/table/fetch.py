from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from actions.columns import result_columns, result_rows
from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.params import ActionParams, SortItem, TableRef, Variable
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult, Cell, Column, ResultTable
from engine.layers.base import Aliases

PAGE_ROWS = 20
"""Rows of a page when nothing says how many, as in CAS."""
ANSWER_BYTES = 64 << 20
"""Most bytes of column values in one answer."""


class FetchParams(ActionParams):
    """Parameters of table.fetch."""

    later: ClassVar[Mapping[str, str]] = {
        "format": "values are given as they are",
    }

    table: TableRef
    """The table to read, of any kind."""
    fetch_vars: tuple[Variable, ...] = ()
    """Columns to give, in this order; left out: those of ``table.vars``, or all."""
    computed_vars: Annotated[tuple[Variable, ...], Aliases("compVars")] = ()
    """Further columns to compute, beside those of ``table.computedVars``."""
    computed_vars_program: Annotated[tuple[str, ...], Aliases("compPgm")] = ()
    """Statements that compute them, which come after those of ``table.computedVarsProgram``."""
    from_: Annotated[int, Field(ge=1)] = 1
    """First row, counted from 1, after ``where`` and ordering."""
    to: Annotated[int, Field(ge=0)] | None = None
    """Last row; left out: 20 rows from the first on."""
    offset: Annotated[int, Field(ge=0)] | None = None
    """Rows to leave out, in place of ``from``."""
    limit: Annotated[int, Field(ge=0)] | None = None
    """Rows to give, in place of ``to``."""
    max_rows: Annotated[int, Field(ge=0)] | None = None
    """Most rows to give, whatever ``to`` says; left out: no further limit."""
    sort_by: Annotated[tuple[SortItem, ...], Aliases("orderBy")] = ()
    """Columns to order by."""
    index: bool = False
    """Give ``_Index_`` first, the position of a row counted from 1."""
    sas_types: bool = False
    """Accepted; types are the table's own."""

    @property
    def source(self) -> TableRef:
        """The table with all columns that are computed."""
        if not self.computed_vars and not self.computed_vars_program:
            return self.table
        names = (*self.table.computed_vars, *self.computed_vars)
        program = (*self.table.computed_vars_program, *self.computed_vars_program)
        return self.table.model_copy(
            update={"computed_vars": names, "computed_vars_program": program}
        )

    @property
    def first(self) -> int:
        """0-based first row."""
        return self.offset if self.offset is not None else self.from_ - 1

    @property
    def rows(self) -> int:
        """Rows asked for."""
        if self.limit is not None:
            rows = self.limit
        else:
            rows = PAGE_ROWS if self.to is None else max(0, self.to - self.first)
        return rows if self.max_rows is None else min(rows, self.max_rows)


@action("table.fetch")
def fetch(ctx: Context, p: FetchParams) -> ActionResult:
    """Return rows of a table: a page of data, of a model's options, or of weights.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: ``where`` cannot be read.
        TooLarge: the rows do not fit in an answer.
    """
    if p.offset is not None and p.from_ != 1:
        raise InvalidParameters("parameters 'from' and 'offset' got both, expected one of them")
    table = open_table(
        ctx,
        p.source,
        order=tuple(item.parsed for item in p.sort_by),
        offset=p.first,
        limit=p.rows,
        columns=tuple(each.name for each in p.fetch_vars),
    )
    rows = list(within_limit(table, ANSWER_BYTES))
    columns = result_columns(table.schema)
    if p.index:
        columns = (Column("_Index_", "int64"), *columns)
        rows = [(p.first + at, *row) for at, row in enumerate(rows, start=1)]
    title = f"Selected Rows from Table {table.info.name.upper()}"
    return ActionResult(tables={"Fetch": ResultTable(columns, tuple(rows), title)})


def within_limit(table: OpenTable, limit: int) -> Iterator[tuple[Cell, ...]]:
    """Yield rows as long as their values take no more bytes than an answer may hold.

    Raises:
        TooLarge: they take more.
    """
    held = 0
    for batch in table.batches():
        held += batch.nbytes
        if held > limit:
            raise TooLarge(
                f"the rows got more than {limit} bytes, expected at most as many in one "
                "answer; ask for fewer rows or columns, or download the table",
                limit=limit,
            )
        yield from result_rows(batch)
