"""Names for the levels of a target, from a table of labels."""

from collections.abc import Mapping

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import TableRef
from actions.ports import TableInfo
from actions.reading import OpenTable, open_table
from engine.data.schema import Schema
from engine.data.variables import NominalSteps, NominalTarget, ObjectsTarget
from engine.errors import WeightsError
from engine.graph.spec import fold

Leveled = NominalTarget | NominalSteps | ObjectsTarget
"""Targets whose levels have names of their own."""

ID, LABEL = "label_id", "label"
"""Columns of a table of labels that has others besides."""


def read_labels(ctx: Context, ref: TableRef) -> dict[int, str]:
    """Return the names of a table of labels by the number of the level.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidParameters: columns or values are not those of labels.
    """
    table = open_table(ctx, ref)
    kinds = {field.name: field.type for field in table.schema}
    numbers = [name for name, kind in kinds.items() if _is_number(kind)]
    texts = [name for name, kind in kinds.items() if _is_text(kind)]
    id_column = _column(table, numbers, ID, "numeric")
    label_column = _column(table, texts, LABEL, "character")
    found: dict[int, str] = {}
    for batch in table.batches():
        rows = (batch.column(name).to_pylist() for name in (id_column, label_column))
        for number, label in zip(*rows, strict=True):
            _take(table, found, number, label)
    return found


def _take(table: OpenTable, found: dict[int, str], number: float | None, label: str | None) -> None:
    if number is None or not float(number).is_integer() or int(number) in found:
        raise InvalidParameters(
            f"parameter 'labelTable' got level {number!r} in {table.label}, expected every whole "
            "number at most once",
            parameter="labelTable",
        )
    if label is None or not label.strip():
        raise InvalidParameters(
            f"parameter 'labelTable' got no label for level {int(number)} in {table.label}, "
            "expected a text",
            parameter="labelTable",
        )
    found[int(number)] = label


def _column(table: OpenTable, names: list[str], usual: str, kind: str) -> str:
    """Return the column of labels that is meant: the only one of its kind, or the usual one."""
    if len(names) == 1:
        return names[0]
    found = next((name for name in names if name.lower() == usual), None)
    if found is None:
        raise InvalidParameters(
            f"parameter 'labelTable' got {len(names)} {kind} columns in {table.label}, expected "
            f"one, or one named {usual!r}",
            parameter="labelTable",
        )
    return found


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def labelled(
    info: TableInfo, schema: Schema, layer: str | None, labels: Mapping[int, str]
) -> Schema:
    """Return a schema with other names for the levels of one target.

    Raises:
        WeightsError: no target, or none of that layer, or more than one has levels.
        InvalidParameters: the labels are not those of the target's levels.
    """
    target = _target(info, schema, layer)
    count = len(target.levels)
    unknown = [number for number in labels if not 0 <= number < count]
    if unknown:
        raise InvalidParameters(
            f"parameter 'labelTable' got level {unknown[0]}, expected 0 to {count - 1}: the levels "
            f"of layer {target.layer!r}",
            parameter="labelTable",
            got=unknown[0],
        )
    levels = tuple(labels.get(place, level) for place, level in enumerate(target.levels))
    twice = [level for place, level in enumerate(levels) if level in levels[:place]]
    if twice:
        raise InvalidParameters(
            f"parameter 'labelTable' gives label {twice[0]!r} to two levels, expected one each",
            parameter="labelTable",
            got=twice[0],
        )
    named = target.model_copy(update={"levels": levels})
    targets = tuple(named if each is target else each for each in schema.targets)
    return schema.model_copy(update={"targets": targets})


def _target(info: TableInfo, schema: Schema, layer: str | None) -> Leveled:
    known = [each for each in schema.targets if isinstance(each, Leveled)]
    found = [each for each in known if layer is None or each.layer == fold(layer)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(each.layer) for each in known) or "none"
    if layer is not None:
        raise WeightsError(
            f"weights {info.name!r} know no levels of layer {layer!r}, expected one of {names}",
            weights=info.name,
            layer=layer,
        )
    raise WeightsError(
        f"weights {info.name!r} know levels of {len(known)} layers ({names}), expected one, or the "
        "parameter 'layer'",
        weights=info.name,
    )
