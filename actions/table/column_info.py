import pyarrow as pa

from actions.answers import Declared, result_table
from actions.columns import cas_type
from actions.context import Context
from actions.params import ActionParams, TableRef, Variable
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult

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

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
    """
    table = open_table(ctx, p.table, columns=tuple(each.name for each in p.inputs))
    rows = [
        (field.name, place, cas_type(field.type), _width(field.type), _shown(field.type), "", 0, 0)
        for place, field in enumerate(table.schema, start=1)
    ]
    columns: Declared = (
        ("Column", "string"),
        ("ID", "int64"),
        ("Type", "string"),
        ("RawLength", "int64"),
        ("FormattedLength", "int64"),
        ("Format", "string"),
        ("NFL", "int64"),
        ("NFD", "int64"),
    )
    return ActionResult(tables={"ColumnInfo": result_table(columns, rows, "Column Information")})


def _width(kind: pa.DataType) -> int:
    """Return the bytes of a value; of text and bytes, which vary, those of a reference."""
    try:
        return max(1, kind.bit_width // 8)
    except ValueError:
        return 8


def _shown(kind: pa.DataType) -> int:
    return DOUBLE_WIDTH if pa.types.is_primitive(kind) else _width(kind)
