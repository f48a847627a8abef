from typing import Any, cast

import pyarrow as pa

from actions.answers import Declared, result_table
from actions.arrow_functions import pc
from actions.columns import cas_type
from actions.context import Context
from actions.file_link import link_of
from actions.params import ActionParams, TableRef, Variable
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult, Cell

SCANNED_BYTES = 64 << 20
"""How much of a table is looked through for its longest texts."""
REFERENCE_WIDTH = 8
DOUBLE_WIDTH = 12
"""Characters a number is shown in, as in CAS."""


class ColumnInfoParams(ActionParams):
    """Parameters of table.columnInfo."""

    table: TableRef
    """The table, of any kind."""
    inputs: tuple[Variable, ...] = ()
    """Columns to describe; left out: all."""


@action("table.columnInfo")
def column_info(ctx: Context, p: ColumnInfoParams) -> ActionResult:
    """Return the columns of a table with their types.

    Lengths of text are those of the longest in the first 64 MB of the table; of a table that is a
    link they are not known.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
    """
    table = open_table(ctx, p.table, columns=tuple(each.name for each in p.inputs))
    widths = _text_widths(table)
    rows = [
        _row(place, field, widths.get(field.name))
        for place, field in enumerate(table.schema, start=1)
    ]
    columns: Declared = (
        ("Column", "string"),
        ("Label", "string"),
        ("ID", "int64"),
        ("Type", "string"),
        ("RawLength", "int64"),
        ("FormattedLength", "int64"),
        ("Format", "string"),
        ("NFL", "int64"),
        ("NFD", "int64"),
    )
    return ActionResult(tables={"ColumnInfo": result_table(columns, rows, "Column Information")})


def _row(place: int, field: "pa.Field[Any]", longest: int | None) -> tuple[Cell, ...]:
    raw = _width(field.type) if longest is None else longest
    shown = DOUBLE_WIDTH if pa.types.is_primitive(field.type) else raw
    return field.name, "", place, cas_type(field.type), raw, shown, "", 0, 0


def _width(kind: pa.DataType) -> int:
    """Return the bytes of a value; of bytes, which vary, those of a reference."""
    try:
        return max(1, kind.bit_width // 8)
    except ValueError:
        return REFERENCE_WIDTH


def _text_widths(table: OpenTable) -> dict[str, int]:
    """Return the bytes of the longest text of every text column."""
    names = [field.name for field in table.schema if pa.types.is_string(field.type)]
    found = dict.fromkeys(names, 1)
    if not names or link_of(table.info.attributes) is not None:
        return dict.fromkeys(names, REFERENCE_WIDTH)
    share = SCANNED_BYTES / max(table.info.size_bytes, SCANNED_BYTES)
    rows = max(1, int(table.info.rows * share))
    ref = TableRef(name=table.info.name, caslib=table.info.caslib)
    texts = open_table(table.ctx, ref, columns=tuple(names), limit=rows)
    for batch in texts.batches():
        for name in names:
            text = cast("pa.StringArray", batch.column(name))
            longest = pc.max(pc.binary_length(text)).as_py()
            found[name] = max(found[name], longest or 0)
    return found
