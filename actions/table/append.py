from collections.abc import Iterator
from typing import Any, cast

import pyarrow as pa

from actions.arrow_functions import pc
from actions.columns import AnyArray, cas_type
from actions.context import Context
from actions.errors import InvalidParameters, TableNotFound
from actions.params import ActionParams, OutTable, TableRef
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import rewrite, store_rows

_NUMBERS = frozenset({"double", "int32", "int64"})
_FAMILIES = dict.fromkeys(_NUMBERS, _NUMBERS) | {
    kind: frozenset({kind}) for kind in ("varchar", "varbinary", "date", "time", "datetime")
}
"""Which types go into a column of a type."""


class AppendParams(ActionParams):
    """Parameters of table.append."""

    source: TableRef
    """The table whose rows are added, whole or in part."""
    target: OutTable
    """The data table they are added to; it is made if there is none."""


@action("table.append")
def append(ctx: Context, p: AppendParams) -> ActionResult:
    """Add the rows of a table to the end of another, all or none.

    Columns go by name, without regard to case; those the source lacks are missing in its rows, and
    those the target lacks are left out.

    Raises:
        TableNotFound: the session sees no table ``source``.
        WrongKind: the target is a model or holds weights.
        InvalidParameters: a column is text in one and numbers in the other, or a number does not
            fit the type of the target.
        Conflict: another session changed the target at the same time.
    """
    added = open_table(ctx, p.source)
    ref = TableRef(name=p.target.name, caslib=p.target.caslib)
    try:
        target = open_table(ctx, ref)
    except TableNotFound:
        info = store_rows(ctx, added.schema, added.batches(), p.target.output)
        rows = info.rows
    else:
        info = rewrite(ctx, target.info, target.schema, _joined(target, added))
        rows = info.rows - target.info.rows
    return ActionResult(
        values={"caslib": info.caslib, "tableName": info.name, "rowsAppended": rows}
    )


def _joined(target: OpenTable, added: OpenTable) -> Iterator[pa.RecordBatch]:
    by_fold = {name.casefold(): place for place, name in enumerate(added.schema.names)}
    places = [by_fold.get(field.name.casefold()) for field in target.schema]
    _check_types(target, added, places)
    yield from target.batches()
    for batch in added.batches():
        columns = [
            _fitted(batch, place, field) for place, field in zip(places, target.schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=target.schema)


def _check_types(target: OpenTable, added: OpenTable, places: list[int | None]) -> None:
    for place, field in zip(places, target.schema, strict=True):
        if place is None:
            continue
        kind = added.schema.field(place).type
        fits = cas_type(kind) in _FAMILIES[cas_type(field.type)]
        if not fits:
            raise InvalidParameters(
                f"column {field.name!r} got {kind} in {added.label} and {field.type} in "
                f"{target.label}, expected types that go together",
                column=field.name,
            )


def _fitted(batch: pa.RecordBatch, place: int | None, field: "pa.Field[Any]") -> AnyArray:
    if place is None:
        return cast("AnyArray", pa.nulls(batch.num_rows, field.type))
    try:
        found = cast("AnyArray", pc.cast(batch.column(place), field.type))
    except pa.ArrowInvalid as error:
        raise InvalidParameters(
            f"column {field.name!r} got a value that is no {field.type}: {error}",
            column=field.name,
        ) from None
    return found
