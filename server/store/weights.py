"""Weight tables: a header, and chunks of at most 4 MiB of float32, read by row range."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import select

from actions.deeplearn.layout import WEIGHTS_SCHEMA
from actions.ports import Name, TableInfo, WeightsHeader
from actions.results import Json
from engine.errors import WeightsError
from engine.weights import CHUNK_VALUES, Chunk, SegmentSpec
from server.store.bodies import ChunkRows
from server.store.catalogue import Catalogue
from server.store.connect import Database
from server.store.schema import contents, weight_chunks
from server.store.staging import Recipe, SqlStaged, discarding, open_content
from server.store.tables import gone

_FLOAT = np.dtype("<f4")

_CHUNKS = ChunkRows(weight_chunks, weight_chunks.c.segment, weight_chunks.c.start)


class SqlStagedWeights(SqlStaged):
    """A weight table that is being written: small tensors are held back and share a transaction."""

    def __init__(self, database: Database, content_id: str, specs: tuple[SegmentSpec, ...]) -> None:
        super().__init__(database, content_id, "weights")
        self._specs = specs
        self._segment = 0
        self._start = 0
        self._held: list[dict[str, object]] = []
        self._held_rows = 0

    def write(self, chunk: Chunk) -> None:
        """Append a run of values.

        Raises:
            WeightsError: it is not the run that follows in the order of the table.
        """
        values = chunk.values
        spec = self._next_spec(chunk)
        for first in range(0, values.size, CHUNK_VALUES):
            self._hold(values[first : first + CHUNK_VALUES])
        if self._start == spec.size:
            self._segment, self._start = self._segment + 1, 0

    def finish(self) -> None:
        """Write what is held back.

        Raises:
            WeightsError: values are missing at the end.
        """
        self._flush()
        expected = sum(spec.size for spec in self._specs)
        if self.rows != expected:
            raise WeightsError(
                f"the weights ended after {self.rows} values, expected {expected}",
                got=self.rows,
                expected=expected,
            )

    def _next_spec(self, chunk: Chunk) -> SegmentSpec:
        if self._segment == len(self._specs):
            raise WeightsError(f"the weights got more values than the {self.rows_written} expected")
        spec = self._specs[self._segment]
        fits = chunk.offset == self._start and chunk.offset + chunk.values.size <= spec.size
        if chunk.spec != spec or not fits:
            raise WeightsError(
                f"the weights got {chunk.values.size} values of {chunk.spec.name!r} of layer "
                f"{chunk.spec.layer_id} from {chunk.offset}, expected those of {spec.name!r} "
                f"of layer {spec.layer_id} from {self._start}"
            )
        return spec

    @property
    def rows_written(self) -> int:
        """Values taken so far, held back or not."""
        return self.rows + self._held_rows

    def _hold(self, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        if self._held_rows + values.size > CHUNK_VALUES:
            self._flush()
        whole = values.size == CHUNK_VALUES
        plain = np.ascontiguousarray(values, dtype=_FLOAT)
        self._held.append(
            {
                "content_id": self.id,
                "first_row": self.rows_written,
                "rows": values.size,
                "segment": self._segment,
                "start": self._start,
                "body": plain.data.cast("B") if whole else plain.tobytes(),
            }
        )
        self._held_rows += values.size
        self._start += values.size
        if whole:  # a view of the caller's memory is written before it can change
            self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        with self._database.write(relaxed=True) as connection:
            size = self._held_rows * _FLOAT.itemsize
            self.record(connection, rows=self._held_rows, size_bytes=size)
            _CHUNKS.add(connection, self._held)
        self._held, self._held_rows = [], 0


class SqlWeightStore:
    """Weight tables of one session."""

    def __init__(self, database: Database, catalogue: Catalogue, job_id: str | None = None) -> None:
        self._database = database
        self._catalogue = catalogue
        self._job_id = job_id

    @contextmanager
    def stage(self, header: WeightsHeader, chunks: Iterator[Chunk]) -> Iterator[SqlStaged]:
        """Write a weight table; chunks arrive in the order of the table.

        Never holds more than one chunk besides the caller's. Small chunks are copied until they
        fill one; a full one is written as it lies.

        Raises:
            WeightsError: the chunks are out of order, too many or too few.
            StoreFull: the disk is full.
        """
        specs = tuple(header.specs)
        _check_places(specs)
        recipe = Recipe(
            kind="weights",
            columns=len(WEIGHTS_SCHEMA.names),
            attributes=_facts(header),
            header={"specs": [_to_json(spec) for spec in specs]},
            job_id=self._job_id,
        )
        staged = SqlStagedWeights(self._database, open_content(self._database, recipe), specs)
        with discarding(self._database, staged):
            for chunk in chunks:
                staged.write(chunk)
            staged.finish()
            yield staged

    def load(self, name: Name) -> tuple[TableInfo, WeightsHeader]:
        """Return a weight table's entry and header.

        Raises:
            TableNotFound: the session sees no such table.
            WrongKind: it is no weight table.
        """
        with self._database.read() as connection:
            info = self._catalogue.entry(connection, name, "weights")
            query = select(contents.c.header, contents.c.attributes)
            row = connection.execute(query.where(contents.c.id == info.id)).one()
        specs = tuple(_from_json(spec) for spec in row.header["specs"])
        facts = row.attributes
        return info, WeightsHeader(specs, facts["lineage"], facts.get("schema"))

    def chunks(
        self, table: TableInfo, *, first_row: int = 0, rows: int | None = None
    ) -> Iterator[Chunk]:
        """Read weights in order; only the chunks that touch the range are read, cut to it.

        Raises:
            Conflict: the table was dropped or replaced, and its content is gone.
        """
        first = max(0, first_row)
        last = table.rows if rows is None else min(table.rows, first + max(0, rows))
        specs: tuple[SegmentSpec, ...] = ()
        while first < last:
            specs = specs or self._specs(table)
            chunk, start = self._chunk(table, specs, first)
            values = chunk.values[first - start : last - start]
            yield Chunk(chunk.spec, chunk.offset + first - start, values)
            first += values.size

    def _specs(self, table: TableInfo) -> tuple[SegmentSpec, ...]:
        with self._database.read() as connection:
            query = select(contents.c.header).where(contents.c.id == table.id)
            header = connection.execute(query).scalar()
        if header is None:
            raise gone(table)
        return tuple(_from_json(spec) for spec in header["specs"])

    def _chunk(
        self, table: TableInfo, specs: tuple[SegmentSpec, ...], position: int
    ) -> tuple[Chunk, int]:
        """Return the stored chunk that holds a row, and its first row."""
        with self._database.read() as connection:
            found = _CHUNKS.holding(connection, table.id, position)
        if found is None:
            raise gone(table)
        row, body = found
        values = np.frombuffer(body, dtype=_FLOAT)
        return Chunk(specs[row.segment], row.start, values), row.first_row


def _check_places(specs: tuple[SegmentSpec, ...]) -> None:
    for before, after in pairwise(specs):
        if after.first_row != before.first_row + before.size:
            raise WeightsError(
                f"the tensor {after.name!r} of layer {after.layer_id} begins at row "
                f"{after.first_row}, expected {before.first_row + before.size}"
            )


def _facts(header: WeightsHeader) -> dict[str, Json]:
    facts: dict[str, Json] = {"lineage": dict(header.lineage)}
    if header.schema is not None:
        facts["schema"] = dict(header.schema)
    return facts


def _to_json(spec: SegmentSpec) -> list[Json]:
    return [
        spec.layer_id,
        spec.part,
        spec.name,
        list(spec.shape),
        spec.first_row,
        spec.first_weight_id,
    ]


def _from_json(stored: list[Any]) -> SegmentSpec:
    layer_id, part, name, shape, first_row, first_weight_id = stored
    return SegmentSpec(layer_id, part, name, tuple(shape), first_row, first_weight_id)
