from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from actions.analysis import study
from actions.answers import output_tables
from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows


class DeduplicateParams(ActionParams):
    """Parameters of deduplication.deduplicate."""

    later: ClassVar[Mapping[str, str]] = {
        "duplicateOut": "only the rows that stay are stored",
        "idVar": "of duplicates the first one stays",
    }

    table: TableRef
    """The table; rows that agree in all columns of its ``groupBy`` are duplicates."""
    cas_out: OutTable
    """The table to write."""
    no_duplicate_keys: bool = False
    """Keep one row of each group."""
    no_unique_keys: bool = False
    """Leave out the rows that have no duplicate."""


@action("deduplication.deduplicate")
def deduplicate(ctx: Context, p: DeduplicateParams) -> ActionResult:
    """Copy a table without duplicates: of rows that agree in some columns the first is kept.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: ``groupBy`` names no column, or neither of both options is set.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    if not p.table.group_by:
        raise InvalidParameters(
            "parameter 'table.groupBy' got no column, expected at least one",
            parameter="table.groupBy",
        )
    if not p.no_duplicate_keys and not p.no_unique_keys:
        raise InvalidParameters(
            "parameters 'noDuplicateKeys' and 'noUniqueKeys' got false both, expected one of them "
            "to be true",
            parameter="noDuplicateKeys",
        )
    tests = ["place = 1"] if p.no_duplicate_keys else []
    tests += ["rows > 1"] if p.no_unique_keys else []
    with study(ctx, p.table, (Variable(name=p.table.group_by[0].name),)) as found:
        kept = found.ask(
            "SELECT r FROM (SELECT r, row_number() OVER (PARTITION BY g ORDER BY r) AS place, "  # noqa: S608 - our words
            "count(*) OVER (PARTITION BY g) AS rows FROM rows) "
            f"WHERE {' AND '.join(tests)} ORDER BY r"
        )
    places = np.array([place for (place,) in kept], np.int64)
    table = open_table(ctx, p.table.model_copy(update={"order_by": ()}))
    info = store_rows(ctx, table.schema, _picked(table.batches(), places), p.cas_out.output)
    return ActionResult(tables={"OutputCasTables": output_tables(info)})


def _picked(
    batches: Iterator[pa.RecordBatch], places: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> Iterator[pa.RecordBatch]:
    """Yield the rows in some places, which are counted from 1 and in order."""
    begin = 1
    for batch in batches:
        first, last = np.searchsorted(places, (begin, begin + batch.num_rows))
        yield batch.take(places[first:last] - begin)
        begin += batch.num_rows
