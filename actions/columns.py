"""Columns of Arrow as columns of results, and as the columns the engine reads."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa

from actions.arrow_functions import pc
from actions.results import Cell, Column, ColumnType
from engine.data.columns import Column as EngineColumn
from engine.data.columns import Columns

EPOCH_1960_S = 315_619_200
"""Seconds from 1960-01-01, where CAS begins to count, to 1970-01-01: 3653 days."""

AnyArray: TypeAlias = "pa.Array[Any]"


def since_1960(moment: datetime) -> float:
    """Return a moment as CAS counts it: seconds since 1960-01-01 in UTC.

    Source: CAS REST dialect, tableInfo.
    """
    return moment.timestamp() + EPOCH_1960_S


def result_columns(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the columns of a result table."""
    return tuple(Column(field.name, column_type(field.type)) for field in schema)


def column_type(kind: pa.DataType) -> ColumnType:
    """Return the type a result shows a column as."""
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int64"
    if pa.types.is_floating(kind):
        return "double"
    if pa.types.is_timestamp(kind):
        return "datetime"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_time(kind):
        return "time"
    return "binary" if pa.types.is_binary(kind) else "string"


def cas_type(kind: pa.DataType) -> str:
    """Return the name CAS has for the type of a column.

    Source: the types of table.columnInfo.
    """
    names: dict[ColumnType, str] = {"bool": "int32", "binary": "varbinary", "string": "varchar"}
    shown = column_type(kind)
    return names.get(shown, shown)


def result_rows(batch: pa.RecordBatch) -> Iterator[tuple[Cell, ...]]:
    """Yield a batch row by row; a time without a zone is one in UTC."""
    columns = [_cells(column) for column in batch.columns]
    yield from zip(*columns, strict=True)


def _cells(column: AnyArray) -> list[Cell]:
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", "UTC"), safe=False)
    elif pa.types.is_temporal(column.type):
        column = pc.cast(column, pa.string())
    return cast("list[Cell]", column.to_pylist())


def engine_columns(batches: Iterable[pa.RecordBatch]) -> Iterator[Columns]:
    """Yield batches as the engine reads them.

    Numbers become float64 with NaN for missing, unless they are whole and none is missing; text and
    bytes become arrays of objects with None for missing; dates and times the text of their value.
    """
    for batch in batches:
        yield {
            name: _engine_column(column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }


def _engine_column(column: AnyArray) -> EngineColumn:
    kind = column.type
    if pa.types.is_temporal(kind):
        column = pc.cast(column, pa.string())
    if pa.types.is_floating(kind):
        return pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind) and not column.null_count:
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind):
        return pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(kind) and not column.null_count:
        return column.to_numpy(zero_copy_only=False)
    found = np.empty(len(column), dtype=object)
    found[:] = column.to_pylist()
    return found
