"""Answers that are given once for a whole table, or once for each group of its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from actions.analysis import Group, Input, Study, Value
from actions.answers import Declared, made, result_table
from actions.context import Context
from actions.params import OutTable
from actions.results import ActionResult, Cell, ColumnType, ResultTable
from actions.values import arrow_value
from actions.writing import store_rows

_OUT_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "binary": pa.binary(),
    "datetime": pa.timestamp("us"),
}
_OUT_ROWS = 8192
"""Rows of an answer that are written to a table at once."""


@dataclass(frozen=True)
class Part:
    """One table of an answer, for every group.

    Attributes:
        rows: by the number of the group.
        labels: labels of its columns, by their names.
        stored: names of its columns where it is stored; those that are left out are not.
    """

    name: str
    columns: Declared
    rows: Mapping[int, Sequence[Sequence[Cell]]]
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] | None = None


def answer(study: Study, *parts: Part) -> ActionResult:
    """Return the parts as one set of tables, or as one set a group.

    Source: by groups of CAS results: ``ByGroupInfo``, then ``ByGroup1.Summary`` and so on, with the
    group in the attributes of the table.
    """
    if not study.by:
        (group,) = study.groups
        return ActionResult({each.name: _table(each, group) for each in parts})
    tables = {"ByGroupInfo": _info(study)}
    for group in study.groups:
        facts = _facts(study, group)
        for each in parts:
            tables[f"ByGroup{group.number}.{each.name}"] = replace(
                _table(each, group), attributes=facts
            )
    return ActionResult(tables)


def answer_or_store(ctx: Context, study: Study, out: OutTable | None, *parts: Part) -> ActionResult:
    """Return the parts, or store the first of them as a table where one is asked for.

    The stored table begins with the columns of groupBy, each with its values as text beside it.

    Raises:
        TableExists: the name is taken and ``replace`` is false.
    """
    if out is None:
        return answer(study, *parts)
    part = parts[0]
    schema = _stored_schema(study, part)
    return made(store_rows(ctx, schema, _stored_rows(study, part, schema), out.output))


def _table(part: Part, group: Group) -> ResultTable:
    table = result_table(part.columns, part.rows.get(group.number, ()), part.title)
    columns = (replace(each, label=part.labels.get(each.name, "")) for each in table.columns)
    return replace(table, columns=tuple(columns))


def _info(study: Study) -> ResultTable:
    columns: list[tuple[str, ColumnType]] = []
    for each in study.by:
        columns += [(each.name, each.result_type), (f"{each.name}_f", "string")]
    rows = [
        (*_with_text(study.by, group.values), "".join(_texts(study.by, group.values)))
        for group in study.groups
    ]
    return result_table((*columns, ("_key_", "string")), rows, "ByGroupInfo")


def _texts(by: Sequence[Input], values: Sequence[Value]) -> list[str]:
    return [column.shown(value) for column, value in zip(by, values, strict=True)]


def _with_text(by: Sequence[Input], values: Sequence[Value]) -> list[Cell]:
    pairs = zip(by, values, _texts(by, values), strict=True)
    return [each for column, value, text in pairs for each in (column.raw(value), text)]


def _facts(study: Study, group: Group) -> dict[str, Cell]:
    texts = _texts(study.by, group.values)
    names = [column.name for column in study.by]
    pairs = zip(names, texts, strict=True)
    found: dict[str, Cell] = {"ByGroup": " ".join(f"{name}={text}" for name, text in pairs)}
    rows = zip(study.by, group.values, texts, strict=True)
    for place, (column, value, text) in enumerate(rows, start=1):
        found[f"ByVar{place}"] = column.name
        found[f"ByVar{place}Value"] = column.raw(value)
        found[f"ByVar{place}ValueFormatted"] = text
    return found


def _stored_schema(study: Study, part: Part) -> pa.Schema:
    fields = []
    for each in study.by:
        fields += [pa.field(each.name, each.type), pa.field(f"{each.name}_f", pa.string())]
    for name, kind in part.columns:
        stored = name if part.stored is None else part.stored.get(name)
        if stored is not None:
            fields.append(pa.field(stored, _OUT_TYPES[kind]))
    return pa.schema(fields)


def _stored_rows(study: Study, part: Part, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    kept = [
        place
        for place, (name, _) in enumerate(part.columns)
        if part.stored is None or name in part.stored
    ]
    held: list[list[object]] = []
    for group in study.groups:
        begin = _stored_group(study, group)
        for row in part.rows.get(group.number, ()):
            held.append([*begin, *(row[place] for place in kept)])
            if len(held) == _OUT_ROWS:
                yield _batch(held, schema)
                held = []
    yield _batch(held, schema)


def _stored_group(study: Study, group: Group) -> list[object]:
    found: list[object] = []
    for column, value in zip(study.by, group.values, strict=True):
        is_timed = isinstance(value, float)
        found.append(arrow_value(value, column.type) if is_timed else value)  # type: ignore[arg-type]
        found.append(column.shown(value))
    return found


def _batch(rows: Sequence[Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.array([row[place] for row in rows], each.type) for place, each in enumerate(schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
