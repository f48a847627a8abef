from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from actions.analysis import Input, Study, study
from actions.answers import made
from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from actions.values import arrow_value
from actions.writing import store_rows

MOST_COLUMNS = 50_000
"""Columns of a transposed table."""


class TransposeParams(ActionParams):
    """Parameters of transpose.transpose."""

    later: ClassVar[Mapping[str, str]] = {
        "attributes": "columns keep their own formats",
        "idLabel": "columns have no labels",
        "validateOutputOrder": "groups are always in order",
    }

    table: TableRef
    """The table; each group of its ``groupBy`` becomes rows of the result."""
    transpose: tuple[Variable, ...] = ()
    """Columns that become rows, one each for every group; left out: all of numbers but the others
    that are named."""
    id: tuple[Variable, ...] = ()
    """Columns whose values name the new columns; left out: they are numbered."""
    prefix: str = ""
    """What the names of new columns begin with; left out without ``id``: ``_``."""
    suffix: str = ""
    """What the names of new columns end with."""
    name: str = "_NAME_"
    """The column with the names of the columns that were transposed."""
    let: bool = False
    """Take the last row where several of a group have the same ``id``; else they are refused."""
    cas_out: OutTable
    """The table to write."""


@action("transpose.transpose")
def transpose(ctx: Context, p: TransposeParams) -> ActionResult:
    """Turn the values of columns into rows: one row a group and column, one column an ``id``.

    Columns of numbers stay numbers; where numbers and text are mixed all become text.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: two rows of a group have the same ``id``, or nothing is to be transposed.
        TooLarge: there would be more columns than a table may have.
        TableExists: the name is taken and ``replace`` is false.
    """
    named = {each.name.casefold() for each in (*p.id, *p.table.group_by)}
    kept = tuple(each.name for each in p.id)
    columns = p.transpose
    if not columns:
        with study(ctx, p.table, wanted="numbers") as every:
            columns = tuple(
                Variable(name=each.name)
                for each in every.inputs
                if each.name.casefold() not in named
            )
    if not columns:
        raise InvalidParameters(
            "parameter 'transpose' got no column, expected at least one", parameter="transpose"
        )
    with study(ctx, p.table, columns, kept=kept) as found:
        values = found.inputs[: len(columns)]
        names, rows = _turned(p, found, values, found.inputs[len(columns) :])
        is_text = any(not each.is_number for each in values)
        kind = pa.string() if is_text else pa.float64()
        schema = pa.schema(
            [
                *(pa.field(each.name, each.type) for each in found.by),
                pa.field(p.name, pa.string()),
                *(pa.field(name, kind) for name in names),
            ]
        )
        info = store_rows(ctx, schema, [_batch(found, rows, schema)], p.cas_out.output)
    return made(info)


def _turned(
    p: TransposeParams, found: Study, values: tuple[Input, ...], ids: tuple[Input, ...]
) -> tuple[list[str], list[tuple[int, str, dict[str, Any]]]]:
    """Return the names of the new columns, and the rows: group, column, and values by name."""
    names: dict[str, str] = {}
    rows: list[tuple[int, str, dict[str, Any]]] = []
    picked = ", ".join(each.sql for each in (*values, *ids))
    is_text = any(not each.is_number for each in values)
    by_group = found.by_group(f"SELECT g, {picked} FROM rows ORDER BY g, r")  # noqa: S608 - our names
    for number, cells in by_group.items():
        own: list[dict[str, Any]] = [{} for _ in values]
        for place, row in enumerate(cells, start=1):
            name = _name(p, ids, row[len(values) :], place)
            name = names.setdefault(name.casefold(), name)
            if len(names) > MOST_COLUMNS:
                raise TooLarge(
                    f"parameter 'id' got more than {MOST_COLUMNS} values, expected at most as many",
                    limit=MOST_COLUMNS,
                )
            if name in own[0] and not p.let:
                raise InvalidParameters(
                    f"parameter 'id' got two rows of a group that name the column {name!r}, "
                    "expected one; set let to take the last",
                    parameter="id",
                    got=name,
                )
            for column, cell, taken in zip(values, row, own, strict=False):
                taken[name] = column.shown(cell) if is_text and cell is not None else cell
        rows += [(number, each.name, taken) for each, taken in zip(values, own, strict=True)]
    return list(names.values()), rows


def _name(p: TransposeParams, ids: tuple[Input, ...], cells: tuple[Any, ...], place: int) -> str:
    if not ids:
        return f"{p.prefix or '_'}{place}{p.suffix}"
    text = "_".join(each.shown(cell).strip() for each, cell in zip(ids, cells, strict=True))
    return f"{p.prefix}{text or '_'}{p.suffix}"


def _batch(
    found: Study, rows: list[tuple[int, str, dict[str, Any]]], schema: pa.Schema
) -> pa.RecordBatch:
    groups = {each.number: each.values for each in found.groups}
    arrays = []
    for at, column in enumerate(found.by):
        cells = [groups[number][at] for number, _, _ in rows]
        raw = [arrow_value(v, column.type) if isinstance(v, float) else v for v in cells]
        arrays.append(pa.array(raw, column.type))
    arrays.append(pa.array([name for _, name, _ in rows], pa.string()))
    arrays += [
        pa.array([taken.get(each.name) for _, _, taken in rows], each.type)
        for each in list(schema)[len(found.by) + 1 :]
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
