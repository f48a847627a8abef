"""Columns of Arrow as values of rows, and back."""

from typing import Any, TypeAlias, cast

import pyarrow as pa

from actions.arrow_functions import pc
from actions.errors import InvalidExpression
from actions.language.frame import Variable, raw_reader
from actions.values import arrow_value, kind_of

AnyArray: TypeAlias = "pa.Array[Any]"


def is_stored_whole(kind: pa.DataType) -> bool:
    """Return whether Arrow stores the values of a column as whole numbers."""
    return kind_of(kind) == "number" and not pa.types.is_floating(kind)


def values_of(column: AnyArray, variable: Variable) -> list[Any]:
    """Return the values of a column as the rows of a program hold them."""
    kind = column.type
    if variable.kind == "binary":
        return column.to_pylist()
    if variable.kind == "text":
        return [value or "" for value in pc.cast(column, pa.string()).to_pylist()]
    if is_stored_whole(kind):
        stored = _stored(column).to_pylist()
        if variable.is_raw:
            return stored
        read = raw_reader(kind, 0)
        return [None if value is None else float(read([value])) for value in stored]
    found = pc.cast(column, pa.float64())
    return cast(
        "list[Any]", pc.if_else(pc.is_nan(found), pa.scalar(None, pa.float64()), found).to_pylist()
    )


def _stored(column: AnyArray) -> AnyArray:
    kind = column.type
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return column.cast(pa.int32())
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    return column if pa.types.is_integer(kind) else column.cast(pa.int64())


def result_type(variable: Variable) -> pa.DataType:
    """Return the type of the column a variable becomes."""
    if variable.kind == "text":
        return pa.string()
    if variable.kind == "binary":
        return pa.binary()
    if variable.shown is not None:
        return variable.shown
    if variable.type is None or (not variable.is_raw and not variable.moment):
        return pa.float64()
    return variable.type


def column_of(values: list[Any], variable: Variable) -> AnyArray:
    """Return values of rows as a column."""
    kind = result_type(variable)
    if variable.kind == "text":
        return pa.array([value or None for value in values], kind)
    if variable.kind == "binary":
        return pa.array(values, kind)
    if variable.is_raw and is_stored_whole(kind):
        return _unstored(values, kind)
    if variable.moment:
        return pa.array([_moment(value, variable) for value in values], kind)
    array = pa.array([None if value is None else float(value) for value in values], pa.float64())
    return finite(array)


def _moment(value: float | None, variable: Variable) -> object:
    """Return a number as a date or a time.

    Raises:
        InvalidExpression: it is beyond the years there are dates of.
    """
    try:
        return None if value is None else arrow_value(value, result_type(variable))
    except (OverflowError, ValueError):
        raise InvalidExpression(
            f"the column {variable.name!r} got {value:.12g} for a {variable.moment}, expected one "
            "in the years 1 to 9999",
            column=variable.name,
            got=value,
        ) from None


def finite(column: AnyArray) -> AnyArray:
    """Return a column of numbers in which what is none, or too great, is missing."""
    found = pc.if_else(pc.is_finite(column), column, pa.scalar(None, pa.float64()))
    return cast("AnyArray", found)


def _unstored(values: list[Any], kind: pa.DataType) -> AnyArray:
    if pa.types.is_boolean(kind):
        return pa.array([None if value is None else bool(value) for value in values], kind)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return pa.array(values, pa.int32()).cast(kind)
    return (
        pa.array(values, kind)
        if pa.types.is_integer(kind)
        else pa.array(values, pa.int64()).cast(kind)
    )
