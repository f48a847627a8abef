from collections.abc import Iterator

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import ActionParams, TableRef
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult, Json
from actions.writing import rewrite


class DeleteRowsParams(ActionParams):
    """Parameters of table.deleteRows."""

    table: TableRef
    """The table, and the ``where`` that chooses the rows to delete."""


@action("table.deleteRows")
def delete_rows(ctx: Context, p: DeleteRowsParams) -> ActionResult:
    """Delete the rows of a data table that meet a condition, or all of them without one.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: it is a model or holds weights.
        InvalidExpression: ``where`` cannot be read.
        InvalidParameters: ``vars`` are given; rows are deleted whole.
        Conflict: another session changed the table at the same time.
    """
    if p.table.vars:
        raise InvalidParameters(
            "parameter 'table.vars' got columns, expected none; rows are deleted whole",
            parameter="table.vars",
        )
    table = open_table(ctx, p.table)
    kept = rewrite(ctx, table.info, table.all_columns, _kept(ctx, p.table, table.all_columns))
    deleted = table.info.rows - kept.rows
    values: dict[str, Json] = {
        "caslib": kept.caslib,
        "tableName": kept.name,
        "rowsDeleted": deleted,
    }
    return ActionResult(values=values)


def _kept(ctx: Context, ref: TableRef, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows that do not meet the condition; it could be read as it is."""
    if not (ref.where or "").strip():
        return
    others = ref.model_copy(update={"where": f"not ({ref.where})"})
    yield from open_table(ctx, others, columns=tuple(schema.names)).batches()
