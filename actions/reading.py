"""Any table, of whatever kind, as a stream of Arrow batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from actions.context import Context
from actions.deeplearn.layout import MODEL_SCHEMA, WEIGHTS_SCHEMA, model_batch, weight_batches
from actions.params import TableRef
from actions.ports import Name, TableInfo
from actions.query import Order, Plan, Query, plan, run, sliced


@dataclass(frozen=True)
class OpenTable:
    """A table that was found, its columns, and the rows a query takes from it."""

    ctx: Context
    info: TableInfo
    query: Query

    @property
    def label(self) -> str:
        """How messages call the table."""
        return f"the table {self.info.name!r}"

    @cached_property
    def all_columns(self) -> pa.Schema:
        """Columns of the whole table."""
        if self.info.kind == "model":
            return MODEL_SCHEMA
        if self.info.kind == "weights":
            return WEIGHTS_SCHEMA
        return self.ctx.tables.schema(self.info)

    @cached_property
    def plan(self) -> Plan:
        return plan(self.query, self.all_columns, self.label)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the answer."""
        return self.plan.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the query, read as they are asked for.

        A range of rows that are neither chosen by value nor ordered is read alone.

        Raises:
            InvalidExpression: the condition fails on a value.
        """
        found = self.plan
        if found.is_plain:
            batches = self._read(found.reads, self.query.offset, self.query.limit)
            return (batch.select(found.schema.names) for batch in batches)
        return run(found, self._read(found.reads, 0, None), threads=self.ctx.threads)

    def block(self, first_row: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield what a query without order and range takes from some rows of the table.

        Raises:
            InvalidExpression: the condition fails on a value.
        """
        found = self.plan
        batches = self._read(found.reads, first_row, rows)
        if found.is_plain:
            return (batch.select(found.schema.names) for batch in batches)
        return run(found, batches, threads=self.ctx.threads)

    def _read(
        self, columns: tuple[str, ...], first_row: int, rows: int | None
    ) -> Iterator[pa.RecordBatch]:
        if self.info.kind == "data":
            return self.ctx.tables.scan(self.info, columns=columns, first_row=first_row, rows=rows)
        if self.info.kind == "weights":
            chunks = self.ctx.weights.chunks(self.info, first_row=first_row, rows=rows)
            return (batch.select(list(columns)) for batch in weight_batches(chunks))
        stored = self.ctx.models.load(Name(self.info.name, self.info.caslib))
        batch = model_batch(stored.graph).select(list(columns))
        return sliced([batch], first_row, rows)


def open_table(
    ctx: Context,
    ref: TableRef,
    *,
    order: tuple[Order, ...] = (),
    offset: int = 0,
    limit: int | None = None,
    columns: tuple[str, ...] = (),
) -> OpenTable:
    """Find a table of any kind and prepare to read what a reference says of it.

    Args:
        ctx: the stores to look in.
        ref: the table, its ``where`` and its ``vars``.
        order: columns to order by in place of the ``orderBy`` of the reference; missing values
            are lowest.
        offset: rows to leave out, counted after ``where`` and ordering.
        limit: rows to read; None reads all.
        columns: columns to read in place of the ``vars`` of the reference.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidExpression: the condition cannot be read.
    """
    info = ctx.tables.find(ref.address)
    order = order or tuple(item.parsed for item in ref.order_by)
    computed = tuple(each.name for each in ref.computed_vars)
    query = Query(ref.where, columns or ref.columns, order, offset, limit, computed, ref.program)
    table = OpenTable(ctx, info, query)
    _ = table.plan  # fails now, and not at the first row
    return table
