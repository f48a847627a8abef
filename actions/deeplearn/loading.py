"""Numbers into a compiled model: from weight tables, and from tables of the same three columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actions.arrow_functions import pc
from actions.context import Context
from actions.deeplearn.layout import WEIGHTS_SCHEMA
from actions.deeplearn.schemas import check_layout
from actions.params import TableRef
from actions.ports import TableInfo
from actions.reading import OpenTable, open_table
from engine.compile.lower import CompiledModel
from engine.errors import WeightsError
from engine.weights import load_rows, load_weights

RowBatch = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]


def load_table(
    ctx: Context, ref: TableRef, model: CompiledModel, *, partial: bool = False
) -> frozenset[int]:
    """Fill a model from a table of weights and return the ids of the layers that got any.

    A weight table is read as a whole and must have exactly the tensors of the model, unless it was
    made for some layers alone (its lineage says ``partial``). With a ``where``, or as a data table
    with the columns ``_LayerID_``, ``_WeightID_`` and ``_Weight_``, it is read row by row.

    Args:
        ctx: the stores to look in.
        ref: the table.
        model: what to fill.
        partial: of a table that is read row by row, or made for some layers, the others keep
            their values.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: it is a model.
        ColumnNotFound: a data table lacks one of the columns.
        WeightsError: the weights belong to another model; the message names the first layer that
            differs.
    """
    info = ctx.tables.find(ref.address)
    if info.kind == "data" or (info.kind == "weights" and ref.where is not None):
        table = open_table(ctx, ref, columns=tuple(WEIGHTS_SCHEMA.names))
        return load_rows(model, _rows(table), partial=partial)
    info, header = ctx.weights.load(ref.address)
    lacks = partial and bool(header.lineage.get("partial"))
    check_layout(info, header.specs, model.graph, model.options, partial=lacks)
    return load_weights(model, ctx.weights.chunks(info), partial=lacks)


def _rows(table: OpenTable) -> Iterator[RowBatch]:
    for batch in table.batches():
        layers, places, values = (
            _numbers(table.info, name, column, field.type)
            for name, column, field in zip(
                table.schema.names, batch.columns, WEIGHTS_SCHEMA, strict=True
            )
        )
        yield layers, places, values


def _numbers(
    info: TableInfo, name: str, column: "pa.Array[Any]", kind: pa.DataType
) -> npt.NDArray[Any]:
    try:
        found = pc.cast(column, kind, safe=not pa.types.is_floating(kind))
    except pa.ArrowInvalid as error:
        raise WeightsError(
            f"weights {info.name!r} hold values in {name!r} that are no {kind}: {error}",
            weights=info.name,
            column=name,
        ) from None
    if found.null_count:
        raise WeightsError(
            f"weights {info.name!r} have {found.null_count} missing values in {name!r}, "
            "expected none",
            weights=info.name,
            column=name,
        )
    return found.to_numpy(zero_copy_only=False)
