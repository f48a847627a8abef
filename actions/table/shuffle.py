import numpy as np
import pyarrow as pa

from actions.answers import output_tables
from actions.context import Context
from actions.params import ActionParams, OutTable, TableRef
from actions.query import Order, Query, plan, run
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows

_KEY = "castorch key"
"""The column of random numbers that rows are ordered by; no column a caller makes has the name."""


class ShuffleParams(ActionParams):
    """Parameters of table.shuffle."""

    table: TableRef
    """The table, whole or in part."""
    cas_out: OutTable
    """The shuffled copy; with ``replace`` it may have the name of the table itself."""
    seed: int | None = None
    """Gives the same order again; left out: another one each time. Ours."""


@action("table.shuffle")
def shuffle(ctx: Context, p: ShuffleParams) -> ActionResult:
    """Copy a table with its rows in random order; every order is equally likely.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    table = open_table(ctx, p.table)
    numbers = np.random.default_rng(None if p.seed is None else abs(p.seed))
    keyed = table.schema.append(pa.field(_KEY, pa.float64()))
    query = Query(columns=tuple(table.schema.names), order=(Order(_KEY),))
    batches = (
        batch.append_column(_KEY, pa.array(numbers.random(batch.num_rows)))
        for batch in table.batches()
    )
    rows = run(plan(query, keyed), batches, threads=ctx.threads)
    info = store_rows(ctx, table.schema, rows, p.cas_out.output)
    return ActionResult(
        tables={"OutputCasTables": output_tables(info)},
        values={"caslib": info.caslib, "tableName": info.name, "rowsTransferred": info.rows},
    )
