"""The stores of ``actions.ports`` in memory, for tests, documentation and notebooks.

Everything is kept by reference and nothing is copied; several sessions may share one
``MemoryStores``, threads may not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import pyarrow as pa

from actions.context import Context
from actions.deeplearn.layout import MODEL_SCHEMA, WEIGHTS_SCHEMA, model_rows
from actions.deeplearn.table_models import TableModels
from actions.errors import (
    ColumnNotFound,
    Conflict,
    NotPermitted,
    SessionNotFound,
    TableExists,
    WrongKind,
)
from actions.fields import nearest
from actions.file_link import FileLink, link_of
from actions.files.links import Link
from actions.memory_catalogue import PERSONAL, PUBLIC, Content, Shelves, Table, View, did_you_mean
from actions.ports import (
    Caslib,
    Caslibs,
    Entries,
    Kind,
    Name,
    Output,
    Session,
    Sessions,
    Staged,
    StoredModel,
    TableInfo,
    WeightsHeader,
)
from actions.results import Json
from engine.graph.spec import Graph, fold
from engine.weights import Chunk


class MemoryStores(Shelves):
    """Sessions, caslibs and tables of every kind; :meth:`context` is a session's view of them."""

    def context(self, session: Session | None = None, **more: Any) -> Context:
        """Return what an action may touch, as a session sees it.

        Args:
            session: left out: the default session of the user ``local``.
            more: further fields of the context.
        """
        sessions = MemorySessions(self)
        mine = session or sessions.default("local")
        return Context(
            session=mine,
            sessions=sessions,
            tables=MemoryTables(self, mine),
            models=TableModels(MemoryModels(self, mine), MemoryTables(self, mine)),
            weights=MemoryWeights(self, mine),
            caslibs=MemoryCaslibs(self, mine),
            **more,
        )


class MemoryTables(View):
    """The catalogue, and data tables."""

    def find(self, name: Name, kind: Kind | None = None) -> TableInfo:
        return self.entry(name, kind).info

    def list(self, caslib: str | None = None) -> Entries:
        names = (
            [each.name for each in self.visible()] if caslib is None else [self.caslib(caslib).name]
        )
        found: dict[tuple[str, str], TableInfo] = {}
        for each in names:
            for table in reversed(self.seen(each)):
                found[fold(table.info.name), fold(each)] = table.info
        return [found[key] for key in sorted(found)]

    def schema(self, table: TableInfo) -> pa.Schema:
        content = self.content(table)
        if content.schema is None:
            raise WrongKind(
                f"the table {table.name!r} in caslib {table.caslib!r} holds {table.kind}, "
                "expected a data table",
                table=table.name,
                got=table.kind,
                expected="data",
            )
        return content.schema

    def scan(
        self,
        table: TableInfo,
        *,
        columns: Sequence[str] | None = None,
        first_row: int = 0,
        rows: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        names = self.schema(table).names
        for column in columns or ():
            if column not in names:
                near = nearest(column, names)
                raise ColumnNotFound(
                    f"the table {table.name!r} has no column {column!r}{did_you_mean(near)}",
                    table=table.name,
                    column=column,
                    nearest=near,
                )
        last = table.rows if rows is None else min(table.rows, first_row + rows)
        content, file = self.content(table), link_of(table.attributes)
        if file is not None:
            there = any(each is content.linked for _, each in self.stores.caslibs)
            link = Link(table, file, self.schema(table), content.linked if there else None)
            return link.scan(columns, first_row, last)
        return _cut(content.batches, columns, first_row, last)

    def link(self, output: Output, schema: pa.Schema, rows: int, file: FileLink) -> TableInfo:
        content = Content(token_hex(8), "data", len(schema.names), file.attributes, schema)
        content.rows, content.size_bytes = rows, file.size_bytes
        content.linked = self.caslib(file.caslib)
        return self.place([(content, output)])[0]

    @contextmanager
    def stage(
        self, schema: pa.Schema, *, attributes: Mapping[str, Json] | None = None
    ) -> Iterator[Content]:
        content = Content(token_hex(8), "data", len(schema.names), attributes or {}, schema)
        with self.staging(content):
            yield content

    def publish(self, *outputs: tuple[Staged, Output]) -> Entries:
        contents = [(staged, out) for staged, out in outputs if isinstance(staged, Content)]
        if any(content.id not in self.stores.staged for content, _ in contents):
            raise Conflict("the staged table was published or collected already")
        return self.place(contents)

    def drop(self, name: Name) -> TableInfo:
        table = self.entry(name)
        self.stores.tables.remove(table)
        return table.info

    def promote(self, name: Name, target: Output) -> TableInfo:
        table = self.entry(name)
        if table.session_id is None:
            raise TableExists(
                f"the table {table.info.name!r} in caslib {table.info.caslib!r} is global already",
                table=table.info.name,
                caslib=table.info.caslib,
            )
        self.refuse_hidden_file(table.content, target)
        taken = self.in_the_way(target, moving=table.info.id)
        self.stores.tables = [each for each in self.stores.tables if each not in taken]
        table.session_id = None
        table.info = replace(
            table.info,
            name=target.name.name.strip(),
            caslib=self.caslib(target.name.caslib).name,
            scope="global",
            label=target.label or table.info.label,
        )
        return table.info

    def rename(self, name: Name, new: str, *, label: str | None = None) -> TableInfo:
        table = self.entry(name)
        self.in_the_way(Output(Name(new, name.caslib)), moving=table.info.id)
        kept = table.info.label if label is None else label
        table.info = replace(table.info, name=new.strip(), label=kept)
        return table.info

    def annotate(self, table: TableInfo, facts: Mapping[str, Json]) -> TableInfo:
        for each in self.stores.tables:
            if each.info.id == table.id:
                each.info = replace(each.info, attributes={**each.info.attributes, **facts})
                return each.info
        raise Conflict(
            f"the table {table.name!r} in caslib {table.caslib!r} was dropped or replaced "
            "while its attributes were changed",
            table=table.name,
            caslib=table.caslib,
        )


def _cut(
    batches: Sequence[pa.RecordBatch], columns: Sequence[str] | None, first: int, last: int
) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in batches:
        start, end = max(first - row, 0), min(last - row, batch.num_rows)
        row += batch.num_rows
        if start < end:
            part = batch.slice(start, end - start)
            yield part if columns is None else part.select(list(columns))


class MemoryModels(View):
    """Models."""

    def create(self, output: Output, graph: Graph) -> TableInfo:
        content = Content(token_hex(8), "model", len(MODEL_SCHEMA.names), graph=graph)
        content.rows = sum(1 for _ in model_rows(graph))
        return self.place([(content, output)])[0]

    def load(self, name: Name) -> StoredModel:
        table = self.entry(name, "model")
        return StoredModel(table.info, table.content.graph or Graph(name.name))

    def save(self, stored: StoredModel, graph: Graph) -> TableInfo:
        for table in self.stores.tables:
            if table.info.id == stored.info.id:
                return self._change(table, stored, graph)
        raise Conflict(
            f"model {stored.info.name!r} was replaced or dropped by another session; load it again",
            model=stored.info.name,
        )

    def _change(self, table: Table, stored: StoredModel, graph: Graph) -> TableInfo:
        if table.info.version != stored.info.version:
            raise Conflict(
                f"model {stored.info.name!r} was changed by another session; load it again",
                model=stored.info.name,
            )
        table.content.graph = graph
        rows = sum(1 for _ in model_rows(graph))
        table.info = replace(table.info, version=table.info.version + 1, rows=rows)
        return table.info


class MemoryWeights(View):
    """Weight tables."""

    @contextmanager
    def stage(self, header: WeightsHeader, chunks: Iterator[Chunk]) -> Iterator[Content]:
        content = Content(token_hex(8), "weights", len(WEIGHTS_SCHEMA.names), header=header)
        with self.staging(content):
            for chunk in chunks:
                content.chunks.append(replace(chunk, values=chunk.values.copy()))
                content.rows += len(chunk.values)
                content.size_bytes += chunk.values.nbytes
            yield content

    def load(self, name: Name) -> tuple[TableInfo, WeightsHeader]:
        table = self.entry(name, "weights")
        return table.info, table.content.header or WeightsHeader(())

    def chunks(
        self, table: TableInfo, *, first_row: int = 0, rows: int | None = None
    ) -> Iterator[Chunk]:
        last = table.rows if rows is None else min(table.rows, first_row + rows)
        for chunk in self.content(table).chunks:
            row = chunk.spec.first_row + chunk.offset
            start, end = max(first_row - row, 0), min(last - row, len(chunk.values))
            if start < end:
                values = chunk.values[start:end]
                yield replace(chunk, offset=chunk.offset + start, values=values)


class MemoryCaslibs(View):
    """Caslibs: two that are built in, and those that are added."""

    def find(self, name: str | None) -> Caslib:
        return self.caslib(name)

    def list(self) -> Caslibs:
        return self.visible()

    def add(self, caslib: Caslib) -> Caslib:
        if fold(caslib.name) in {fold(each.name) for each in self.visible()}:
            raise Conflict(f"a caslib is named {caslib.name!r} already", caslib=caslib.name)
        owner = self.session.id if caslib.scope == "session" else None
        self.stores.caslibs.append((owner, caslib))
        return caslib

    def drop(self, name: str) -> None:
        found = self.caslib(name)
        if found.name in (PERSONAL, PUBLIC):
            raise NotPermitted(f"the caslib {found.name!r} is built in and cannot be dropped")
        self.stores.caslibs = [each for each in self.stores.caslibs if each[1] is not found]
        self.stores.tables = [
            each for each in self.stores.tables if fold(each.info.caslib) != fold(found.name)
        ]


@dataclass
class MemorySessions:
    """Sessions of all users."""

    stores: Shelves

    def create(self, user: str, name: str) -> Session:
        now = self.stores.now()
        session = Session(token_hex(8), name, user, PERSONAL, now, now)
        self.stores.sessions[session.id] = session
        return session

    def default(self, user: str) -> Session:
        mine = [each for each in self.list(user) if each.name == "default"]
        return mine[0] if mine else self.create(user, "default")

    def find(self, session_id: str, user: str) -> Session:
        session = self.stores.sessions.get(session_id)
        if session is None or session.user != user:
            raise SessionNotFound(f"no session of user {user!r} has the id {session_id!r}")
        return session

    def list(self, user: str) -> Sessions:
        return [each for each in self.stores.sessions.values() if each.user == user]

    def activate(self, session_id: str, user: str, caslib: str) -> Session:
        session = replace(self.find(session_id, user), active_caslib=caslib)
        self.stores.sessions[session_id] = session
        return session

    def change(
        self,
        session_id: str,
        user: str,
        *,
        name: str | None = None,
        options: Mapping[str, Json] | None = None,
    ) -> Session:
        session = self.find(session_id, user)
        merged = {**session.options, **(options or {})}
        kept = {option: value for option, value in merged.items() if value is not None}
        changed = replace(session, name=session.name if name is None else name, options=kept)
        self.stores.sessions[session_id] = changed
        return changed

    def end(self, session_id: str, user: str) -> None:
        self.find(session_id, user)
        del self.stores.sessions[session_id]
        self.stores.tables = [each for each in self.stores.tables if each.session_id != session_id]
        self.stores.caslibs = [each for each in self.stores.caslibs if each[0] != session_id]
