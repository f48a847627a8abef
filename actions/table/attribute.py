import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from actions.context import Context
from actions.errors import InvalidParameters
from actions.extended import OWN_SET, Sets, Value, as_fact, attributes_of, from_bytes, to_bytes
from actions.params import NAME_LENGTH, ActionParams, OutTable, TableName, TableRef
from actions.ports import Name, TableInfo
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.errors import NotSupportedError
from engine.layers.base import Aliases

_COLUMNS: list[tuple[str, pa.DataType]] = [("_index_", pa.int32()), ("Attributes", pa.binary())]
TABLE = pa.schema(_COLUMNS)
"""Columns of a table of attributes; it has one row."""

Key = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]


class Attribute(ActionParams):
    """One attribute."""

    key: Key
    """Its name."""
    value: str | int | float | None = None
    """Its value; not needed to drop it."""


class AttributeParams(ActionParams):
    """Parameters of table.attribute."""

    later: ClassVar[Mapping[str, str]] = {
        "xml": "attributes are read from tables, 'attrTable'",
    }

    name: Annotated[TableName, Aliases("table")]
    """The table, of any kind."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""
    task: Literal["ADD", "DROP", "CONVERT", "EXPORT", "UPDATE"] = "ADD"
    """ADD and UPDATE keep attributes, DROP removes them, CONVERT makes a table of them, and EXPORT
    is not built yet."""
    set: Key | None = None
    """Name of a set of attributes."""
    attributes: tuple[Attribute, ...] = ()
    """Attributes of that set."""
    attr_table: OutTable | None = None
    """Table of attributes that ADD reads and CONVERT makes, replacing one of its name."""


@action("table.attribute")
def attribute(ctx: Context, p: AttributeParams) -> ActionResult:
    """Keep named values with a table, in named sets, and carry them from table to table.

    Those of a weight table say what it was trained on, so that they, and the numbers, make another
    table with which a model can be scored.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidParameters: a parameter the task needs is missing, or there is no such attribute.
        InvalidFile: the table of attributes holds none.
        TooLarge: the attributes are larger than a table may have.
    """
    info = ctx.tables.find(Name(p.name, p.caslib))
    if p.task == "EXPORT":
        raise NotSupportedError(
            "parameter 'task' got 'EXPORT', which is not supported yet; expected 'CONVERT'",
            parameter="task",
        )
    if p.task == "CONVERT":
        return _convert(ctx, info, p)
    sets = _dropped(info, p) if p.task == "DROP" else _added(ctx, info, p)
    ctx.tables.annotate(info, as_fact(sets))
    return ActionResult(values={"caslib": info.caslib, "tableName": info.name})


def _convert(ctx: Context, info: TableInfo, p: AttributeParams) -> ActionResult:
    if p.attr_table is None:
        raise _missing("attrTable", "CONVERT")
    sets = {**_own(ctx, info), **attributes_of(info)}
    if p.set is not None:
        sets = {name: each for name, each in sets.items() if name.casefold() == p.set.casefold()}
    row = pa.RecordBatch.from_pylist([{"_index_": 1, "Attributes": to_bytes(sets)}], schema=TABLE)
    output = p.attr_table.model_copy(update={"replace": True}).output
    made = store_rows(ctx, TABLE, [row], output)
    return ActionResult(values={"caslib": made.caslib, "tableName": made.name})


def _own(ctx: Context, info: TableInfo) -> Sets:
    """Return what a weight table knows of its training, as a set."""
    if info.kind != "weights":
        return {}
    _, header = ctx.weights.load(Name(info.name, info.caslib))
    facts = {"lineage": header.lineage, "schema": header.schema}
    return {
        OWN_SET: {
            key: Value.of(json.dumps(each, default=dict)) for key, each in facts.items() if each
        }
    }


def _added(ctx: Context, info: TableInfo, p: AttributeParams) -> Sets:
    sets = attributes_of(info)
    if p.attr_table is not None:
        for name, attributes in _read(ctx, p.attr_table).items():
            sets.setdefault(name, {}).update(attributes)
    elif p.set is None or not p.attributes:
        raise _missing("attrTable' or 'set' and 'attributes", p.task)
    if p.set is not None:
        chosen = sets.setdefault(p.set, {})
        for each in p.attributes:
            if each.value is None:
                raise _missing("attributes.value", p.task)
            chosen[each.key] = Value.of(each.value)
    return sets


def _read(ctx: Context, given: OutTable) -> Sets:
    ref = TableRef(name=given.name, caslib=given.caslib)
    table = open_table(ctx, ref, columns=("Attributes",))
    if not pa.types.is_binary(table.schema.field(0).type):
        raise InvalidParameters(
            f"parameter 'attrTable' got {given.name!r}, in which column 'Attributes' is "
            f"{table.schema.field(0).type}, expected a table that task CONVERT made",
            parameter="attrTable",
        )
    found: Sets = {}
    for batch in table.batches():
        for data in batch.column(0).to_pylist():
            found |= from_bytes(data or b"")
    return found


def _dropped(info: TableInfo, p: AttributeParams) -> Sets:
    sets = attributes_of(info)
    if p.set is None:
        raise _missing("set", "DROP")
    by_fold = {name.casefold(): name for name in sets}
    name = by_fold.get(p.set.casefold())
    if name is None:
        raise InvalidParameters(
            f"the table {info.name!r} has no set of attributes {p.set!r}, expected one of "
            f"{', '.join(sets) or 'none'}",
            parameter="set",
        )
    if not p.attributes:
        del sets[name]
        return sets
    for each in p.attributes:
        if each.key not in sets[name]:
            raise InvalidParameters(
                f"set {name!r} of the table {info.name!r} has no attribute {each.key!r}, expected "
                f"one of {', '.join(sets[name])}",
                parameter="attributes",
            )
        del sets[name][each.key]
    return sets


def _missing(parameter: str, task: str) -> InvalidParameters:
    return InvalidParameters(
        f"parameter {parameter!r} got no value, which task {task!r} needs".replace('"', "'"),
        parameter=parameter,
    )
