"""Columns of delimited text whose types the caller declares, in place of what the values look like.

Source: CAS REST dialect, table.upload (7.2).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import pyarrow as pa

from actions.arrow_functions import pc
from actions.errors import InvalidFile
from actions.expression import resolve
from actions.params import ActionParams
from engine.layers.base import Aliases, Synonyms

DeclaredType = Literal["double", "int32", "int64", "varchar", "date", "time", "datetime"]

TYPES: Mapping[str, pa.DataType] = {
    "double": pa.float64(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "varchar": pa.string(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "datetime": pa.timestamp("us"),
}

_MOMENT = TYPES["datetime"]

_MISSING = ("", ".", "nan", "NaN")
_TRUE, _FALSE = ("True", "true", "TRUE"), ("False", "false", "FALSE")


class ImportVar(ActionParams):
    """What is said of a column of a file."""

    name: str | None = None
    """The column; left out in a list: the column at that place."""
    type: Annotated[DeclaredType, Synonyms({"CHAR": "varchar"})] | None = None
    """Its type; left out: found in the values."""
    length: Annotated[int | None, Aliases("rawLength")] = None
    """Accepted; text is never cut."""
    format: str = ""
    """Accepted; values are shown plainly."""
    formatted_length: int | None = None
    """Accepted; values are shown plainly."""
    label: str = ""
    """Accepted; columns have no labels."""


ImportVars = tuple[ImportVar, ...] | dict[str, ImportVar]


def declared_types(given: ImportVars, names: Sequence[str]) -> dict[str, pa.DataType]:
    """Return the types that were declared, by the columns of a file.

    Args:
        given: by name, or in the order of the columns.
        names: the columns.

    Raises:
        ColumnNotFound: there is no such column.
        InvalidFile: more columns are declared than there are.
    """
    items = given.items() if isinstance(given, dict) else ((each.name, each) for each in given)
    found: dict[str, pa.DataType] = {}
    for place, (name, each) in enumerate(items):
        if name is None and place >= len(names):
            raise InvalidFile(
                f"the file has {len(names)} columns, expected the {len(given)} that are declared"
            )
        column = names[place] if name is None else resolve(name, names, "the file")
        if each.type is not None:
            found[column] = TYPES[each.type]
    return found


def converted(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield batches with the text of declared columns as the types of a schema.

    Raises:
        InvalidFile: a value is not of its column's type.
    """
    for batch in batches:
        columns = [
            column if column.type == field.type else _read(field, column)
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _read(field: "pa.Field[Any]", column: Any) -> Any:
    """Return text as values; the words True and False are the numbers 1 and 0."""
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.is_in(text, pa.array(_MISSING)), pa.scalar(None, pa.string()), text)
    try:
        if not pa.types.is_temporal(field.type):
            text = pc.if_else(pc.is_in(text, pa.array(_TRUE)), "1", text)
            text = pc.cast(pc.if_else(pc.is_in(text, pa.array(_FALSE)), "0", text), pa.float64())
        if pa.types.is_time(field.type):  # Arrow reads moments, and no times
            text = pc.cast(pc.binary_join_element_wise("1960-01-01", text, " "), _MOMENT)
        return pc.cast(text, field.type)
    except pa.ArrowInvalid as error:
        reason = str(error).partition("\n")[0]
        raise InvalidFile(
            f"column {field.name!r} of the file is declared {_declared(field.type)!r} and cannot "
            f"be read as that: {reason}",
            column=field.name,
        ) from None


def _declared(kind: pa.DataType) -> str:
    return next(name for name, each in TYPES.items() if each == kind)
