from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from actions.arrow_functions import pc
from actions.columns import AnyArray, cas_type
from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.params import NAME_LENGTH, ActionParams, TableRef
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import rewrite

NEW, CHOSEN = "_castorch_new_{}_", "_castorch_chosen_"
"""Columns computed on the way."""


class SetItem(ActionParams):
    """A new value of a column."""

    var: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
    """The column."""
    value: str | float
    """An expression over the row as it was, for example ``x + 1`` or ``'new'``."""


class UpdateParams(ActionParams):
    """Parameters of table.update."""

    table: TableRef
    """The table, and the ``where`` that chooses the rows to change."""
    set: Annotated[tuple[SetItem, ...], Field(min_length=1)]
    """Columns and their new values."""


@action("table.update")
def update(ctx: Context, p: UpdateParams) -> ActionResult:
    """Change values in the rows of a data table that meet a condition, or in all without one.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        WrongKind: it is a model or holds weights.
        InvalidExpression: ``where`` or a value cannot be read.
        InvalidParameters: a column is set twice, or a value does not fit the type of its column.
        Conflict: another session changed the table at the same time.
    """
    chosen = open_table(ctx, p.table)
    names = chosen.all_columns.names
    new = {resolve(each.var, names, chosen.label): place for place, each in enumerate(p.set)}
    if len(new) < len(p.set):
        raise InvalidParameters(
            "parameter 'set' got a column twice, expected every column once", parameter="set"
        )
    table = _computed(ctx, p, names)
    changed = [0]
    info = rewrite(ctx, chosen.info, chosen.all_columns, _rows(table, chosen, new, changed))
    return ActionResult(values={"tableName": info.name, "rowsUpdated": changed[0]})


def _computed(ctx: Context, p: UpdateParams, names: list[str]) -> OpenTable:
    """Return the whole table with the new values, and whether a row is to change."""
    where = (p.table.where or "").strip()
    program = [f"{NEW.format(place)} = ({each.value});" for place, each in enumerate(p.set)]
    program.append(f"{CHOSEN} = ({where or 1});")
    made = [NEW.format(place) for place in range(len(p.set))]
    ref = TableRef(
        name=p.table.name,
        caslib=p.table.caslib,
        computed_vars_program=(*p.table.computed_vars_program, *program),
    )
    return open_table(ctx, ref, columns=(*names, *made, CHOSEN))


def _rows(
    table: OpenTable, chosen: OpenTable, new: Mapping[str, int], changed: list[int]
) -> Iterator[pa.RecordBatch]:
    for batch in table.batches():
        marks = pc.not_equal(batch.column(CHOSEN).fill_null(0), pa.scalar(0.0))
        changed[0] += int(np.count_nonzero(marks.to_numpy(zero_copy_only=False)))
        columns = [
            pc.if_else(marks, _fitted(batch.column(NEW.format(new[each.name])), each), old)
            if each.name in new
            else old
            for each in chosen.all_columns
            for old in (batch.column(each.name),)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=chosen.all_columns)


def _fitted(values: AnyArray, field: "pa.Field[pa.DataType]") -> AnyArray:
    try:
        if pa.types.is_string(values.type) == pa.types.is_string(field.type):
            return pc.cast(values, field.type)
        reason = f"{cas_type(values.type)} for a column of {cas_type(field.type)}"
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error)
    raise InvalidParameters(
        f"parameter 'set' got a value that does not fit column {field.name!r}: {reason}",
        parameter="set",
        column=field.name,
    )
