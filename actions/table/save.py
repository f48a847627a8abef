from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv, ipc

from actions.arrow_functions import pc
from actions.context import Context
from actions.errors import InvalidParameters
from actions.files.sashdat_writer import write_sashdat
from actions.files.whole import new_file, write_whole
from actions.params import ActionParams, TableRef
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult
from engine.errors import Cancelled
from engine.later import Later

if TYPE_CHECKING:
    from pyarrow import parquet
else:
    parquet = Later("pyarrow.parquet")

Writer = Callable[[Path, pa.Schema, Iterator[pa.RecordBatch]], None]


class SaveParams(ActionParams):
    """Parameters of table.save."""

    table: TableRef
    """The table to write, of any kind, whole or in part."""
    name: str
    """File to make, inside the caslib; its ending is .csv, .parquet, .arrow or .sashdat."""
    caslib: str | None = None
    """Caslib of the file; left out: the session's active one."""
    replace: bool = False
    """Replace a file of that name."""


@action("table.save")
def save(ctx: Context, p: SaveParams) -> ActionResult:
    """Write a table to a file of a caslib; the file is there whole, or not at all.

    Raises:
        TableNotFound: the session sees no such table.
        PathForbidden: the path leads out of the caslib, or names a folder.
        InvalidFile: the file exists and ``replace`` is false.
        InvalidParameters: the ending of the name is none that can be written.
    """
    caslib = ctx.caslibs.find(p.caslib)
    path = new_file(caslib, p.name, replace=p.replace)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InvalidParameters(
            f"parameter 'name' got {p.name!r}, expected a name that ends in {', '.join(_WRITERS)}",
            parameter="name",
        )
    table = open_table(ctx, p.table)
    write_whole(path, lambda part: writer(part, table.schema, _until_cancelled(table)))
    ctx.note(f"The table {table.info.name} was saved as {p.name} in caslib {caslib.name}.")
    return ActionResult(values={"caslib": caslib.name, "name": p.name})


def _until_cancelled(table: OpenTable) -> Iterator[pa.RecordBatch]:
    for batch in table.batches():
        if table.ctx.cancelled():
            raise Cancelled("the work was cancelled while a file was written")
        yield batch


def _write_csv(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    binary = [field.name for field in schema if pa.types.is_binary(field.type)]
    if binary:
        raise InvalidParameters(
            f"column {binary[0]!r} holds bytes, which CSV cannot; save as .parquet, or choose "
            "columns with vars",
            column=binary[0],
        )
    fields = [pa.field(field.name, _csv_type(field.type)) for field in schema]
    with csv.CSVWriter(path, pa.schema(fields)) as writer:
        for batch in batches:
            columns = [
                pc.cast(column, field.type)
                for column, field in zip(batch.columns, fields, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))


def _csv_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_temporal(kind) else kind


def _write_parquet(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_arrow(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    with ipc.new_file(str(path), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


_WRITERS: dict[str, Writer] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
    ".sashdat": write_sashdat,
}
