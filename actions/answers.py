"""Result tables that several actions give."""

from collections.abc import Iterable, Sequence

from actions.ports import TableInfo
from actions.results import ActionResult, Cell, Column, ColumnType, Json, ResultTable

Declared = Sequence[tuple[str, ColumnType]]
"""Columns by name and type."""


def result_table(columns: Declared, rows: Iterable[Sequence[Cell]], title: str = "") -> ResultTable:
    """Return a result table from pairs of name and type, and rows."""
    declared = tuple(Column(name, kind) for name, kind in columns)
    return ResultTable(declared, tuple(tuple(row) for row in rows), title)


def output_tables(*tables: TableInfo) -> ResultTable:
    """Return ``OutputCasTables``, which every action that makes a table answers with."""
    return result_table(
        (("casLib", "string"), ("Name", "string"), ("Rows", "int64"), ("Columns", "int64")),
        [(table.caslib, table.name, table.rows, table.columns) for table in tables],
        "Output CAS Tables",
    )


def description(rows: Iterable[tuple[str, Cell]], title: str) -> ResultTable:
    """Return a table of ``Descr`` and ``Value``; values are text, as in CAS, with every digit."""
    return result_table(
        (("Descr", "string"), ("Value", "string")),
        [(name, _exact(value)) for name, value in rows],
        title,
    )


def _exact(value: Cell) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def shown(value: Cell) -> str:
    """Return a number as text: whole ones without a fraction, others with six digits."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.6g}"
    return str(value)


def made(*tables: TableInfo) -> ActionResult:
    """Return the answer of an action that does nothing but make tables."""
    return ActionResult(tables={"OutputCasTables": output_tables(*tables)})


def made_one(table: TableInfo) -> ActionResult:
    """Return the answer of an action that makes one table, which CAS also tells as two values."""
    values: dict[str, Json] = {"caslib": table.caslib, "tableName": table.name}
    return ActionResult(tables={"OutputCasTables": output_tables(table)}, values=values)
