from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.params import NAME_LENGTH, ActionParams, TableName, TableRef
from actions.ports import Name, TableInfo
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.writing import rewrite
from engine.errors import NotSupportedError
from engine.layers.base import Aliases

ColumnName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]


class ColumnChange(ActionParams):
    """What becomes of one column."""

    shorthand = "name"
    later: ClassVar[Mapping[str, str]] = {
        "label": "columns have no labels",
    }

    name: ColumnName
    """The column."""
    rename: ColumnName | None = None
    """Its new name."""
    drop: bool = False
    """Leave it out."""
    format: str | None = None
    """How its values are shown; formats of texts, as ``$10.``, are all one, others are none yet."""


class AlterTableParams(ActionParams):
    """Parameters of table.alterTable."""

    name: Annotated[TableName, Aliases("table")]
    """The table."""
    caslib: str | None = None
    """Caslib of the table; left out: the session's active one."""
    rename: TableName | None = None
    """Its new name."""
    label: str | None = None
    """A line that describes it."""
    columns: tuple[ColumnChange, ...] = ()
    """Columns to rename, to show in a format or to leave out."""
    drop: tuple[ColumnName, ...] = ()
    """Columns to leave out."""
    keep: tuple[ColumnName, ...] = ()
    """Columns to keep, in their present order; left out: all."""
    column_order: tuple[ColumnName, ...] = ()
    """Columns that come first, in this order; the others follow."""


@action("table.alterTable")
def alter_table(ctx: Context, p: AlterTableParams) -> ActionResult:
    """Rename a table, or rename, drop and reorder its columns; only data tables have such columns.

    Names of columns are those before the call.

    Raises:
        TableNotFound: the session sees no such table.
        TableExists: the new name is taken.
        ColumnNotFound: a column does not exist.
        WrongKind: columns of a model or of weights are to change.
        InvalidParameters: no column would be left, or two would have one name.
        NotSupportedError: a format is none of texts.
        Conflict: another session changed the table at the same time.
    """
    info = ctx.tables.find(Name(p.name, p.caslib))
    if p.columns or p.drop or p.keep or p.column_order:
        info = _with_columns(ctx, info, p)
    if p.rename is not None or p.label is not None:
        name = Name(info.name, info.caslib)
        info = ctx.tables.rename(name, p.rename or info.name, label=p.label)
    return ActionResult(values={"caslib": info.caslib, "tableName": info.name})


def _with_columns(ctx: Context, info: TableInfo, p: AlterTableParams) -> TableInfo:
    whole = open_table(ctx, TableRef(name=info.name, caslib=info.caslib))
    _check_formats(p.columns)
    known, label = whole.schema.names, whole.label
    dropped = {resolve(each, known, label) for each in p.drop}
    dropped |= {resolve(each.name, known, label) for each in p.columns if each.drop}
    kept = {resolve(each, known, label) for each in p.keep} or set(known)
    first = dict.fromkeys(resolve(each, known, label) for each in p.column_order)
    order = [*first, *(name for name in known if name not in first)]
    names = [name for name in order if name in kept and name not in dropped]
    new = {
        resolve(each.name, known, label): each.rename
        for each in p.columns
        if each.rename is not None
    }
    shown = [new.get(name, name) for name in names]
    _check_names(shown, label)
    fields = [
        whole.schema.field(name).with_name(other) for name, other in zip(names, shown, strict=True)
    ]
    return rewrite(ctx, info, pa.schema(fields), _renamed(ctx, info, names, pa.schema(fields)))


def _check_formats(columns: tuple[ColumnChange, ...]) -> None:
    """Check that formats are those of texts, which are shown in the length they have."""
    for each in columns:
        if each.format is not None and not each.format.startswith("$"):
            raise NotSupportedError(
                f"the format {each.format!r} of column {each.name!r} of table.alterTable is not "
                "supported yet, expected one of texts, as '$10.'",
                column=each.name,
                got=each.format,
            )


def _renamed(
    ctx: Context, info: TableInfo, names: list[str], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for batch in ctx.tables.scan(info, columns=names):
        yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _check_names(names: list[str], table: str) -> None:
    if not names:
        raise InvalidParameters(f"{table} would have no column left, expected at least one")
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise InvalidParameters(
                f"{table} would have two columns {name!r}, expected different names", column=name
            )
        seen.add(name.casefold())
