"""Where the stores in memory keep tables, and what one session sees of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from actions.errors import (
    CaslibNotFound,
    Conflict,
    InvalidParameters,
    TableExists,
    TableNotFound,
    WrongKind,
)
from actions.fields import nearest
from actions.files.links import hidden_file
from actions.ports import Caslib, Kind, Name, Output, Session, TableInfo, WeightsHeader
from actions.results import Json
from engine.graph.spec import Graph, fold
from engine.weights import Chunk

PERSONAL = "CASUSER"
PUBLIC = "PUBLIC"

_NOUNS: dict[Kind, str] = {"data": "data table", "model": "model table", "weights": "weight table"}


def did_you_mean(near: Sequence[str]) -> str:
    """Return the end of a sentence that offers the nearest names."""
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


@dataclass
class Content:
    """What a table holds; which of the fields are used depends on its kind."""

    id: str
    kind: Kind
    columns: int
    attributes: Mapping[str, Json] = field(default_factory=dict)
    schema: pa.Schema | None = None
    batches: list[pa.RecordBatch] = field(default_factory=list)
    graph: Graph | None = None
    header: WeightsHeader | None = None
    chunks: list[Chunk] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0
    linked: Caslib | None = None
    """Of a link, the caslib its file lies in."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows.

        Raises:
            InvalidParameters: the batch has other columns than the table.
        """
        if self.schema is None or not batch.schema.equals(self.schema):
            raise InvalidParameters(
                f"the rows got columns {batch.schema.names}, expected "
                f"{self.schema.names if self.schema else []}"
            )
        if batch.num_rows:
            self.batches.append(batch)
        self.rows += batch.num_rows
        self.size_bytes += batch.nbytes


@dataclass
class Table:
    """A published table; a session of None means all sessions see it."""

    info: TableInfo
    session_id: str | None
    content: Content


class Shelves:
    """Everything that is stored, for all sessions.

    Attributes:
        tables: the published tables, in no order.
        staged: ids of contents that are staged and neither published nor discarded.
        caslibs: each with the session it belongs to, or None.
    """

    def __init__(self, root: Path, now: Callable[[], datetime] | None = None) -> None:
        self.tables: list[Table] = []
        self.staged: set[str] = set()
        self.caslibs: list[tuple[str | None, Caslib]] = []
        self.sessions: dict[str, Session] = {}
        self.now = now or (lambda: datetime.now(UTC))
        for name in (PERSONAL, PUBLIC):
            folder = root / name.lower()
            folder.mkdir(parents=True, exist_ok=True)
            self.caslibs.append((None, Caslib(name, folder, "global")))


@dataclass
class View:
    """A store bound to one session."""

    stores: Shelves
    session: Session

    def caslib(self, name: str | None) -> Caslib:
        wanted = self.session.active_caslib if name is None else name
        seen = {fold(each.name): each for each in self.visible()}
        if fold(wanted) in seen:
            return seen[fold(wanted)]
        near = nearest(wanted, [each.name for each in seen.values()])
        raise CaslibNotFound(
            f"no caslib is named {wanted!r}{did_you_mean(near)}", caslib=wanted, nearest=near
        )

    def visible(self) -> list[Caslib]:
        owned = [each for owner, each in self.stores.caslibs if owner == self.session.id]
        shared = [each for owner, each in self.stores.caslibs if owner is None]
        found = {fold(each.name): each for each in (*shared, *owned)}
        return sorted(found.values(), key=lambda each: fold(each.name))

    def seen(self, caslib: str) -> list[Table]:
        """Return the tables of a caslib the session sees, its own first."""
        here = [
            table
            for table in self.stores.tables
            if fold(table.info.caslib) == fold(caslib)
            and table.session_id in (None, self.session.id)
        ]
        return sorted(here, key=lambda table: table.session_id is None)

    def entry(self, name: Name, kind: Kind | None = None) -> Table:
        caslib = self.caslib(name.caslib).name
        seen = self.seen(caslib)
        found = next((each for each in seen if fold(each.info.name) == fold(name.name)), None)
        if found is None:
            near = nearest(name.name, [each.info.name for each in seen])
            raise TableNotFound(
                f"no table is named {name.name!r} in caslib {caslib!r}{did_you_mean(near)}",
                table=name.name,
                caslib=caslib,
                nearest=near,
            )
        if kind is not None and found.info.kind != kind:
            raise WrongKind(
                f"the table {found.info.name!r} in caslib {caslib!r} is a "
                f"{_NOUNS[found.info.kind]}, expected a {_NOUNS[kind]}",
                table=found.info.name,
                caslib=caslib,
                got=found.info.kind,
                expected=kind,
            )
        return found

    def content(self, info: TableInfo) -> Content:
        for table in self.stores.tables:
            if table.info.id == info.id:
                return table.content
        raise Conflict(
            f"the table {info.name!r} in caslib {info.caslib!r} was dropped or replaced "
            "while it was being read",
            table=info.name,
            caslib=info.caslib,
        )

    def place(self, outputs: Sequence[tuple[Content, Output]]) -> list[TableInfo]:
        taken: list[Table] = []
        for content, output in outputs:
            if output.promote:
                self.refuse_hidden_file(content, output)
            taken += self.in_the_way(output)
        self.stores.tables = [each for each in self.stores.tables if each not in taken]
        return [self.add_table(content, output) for content, output in outputs]

    def refuse_hidden_file(self, content: Content, output: Output) -> None:
        """Refuse to show everybody a link to a file of a caslib that one session sees.

        Raises:
            InvalidParameters: the table is such a link.
        """
        owners = [owner for owner, each in self.stores.caslibs if each is content.linked]
        if content.linked is not None and any(owners):
            raise hidden_file(output, content.linked.name)

    def in_the_way(self, output: Output, moving: str = "") -> list[Table]:
        caslib = self.caslib(output.name.caslib).name
        to_global = output.promote or moving != ""
        taken = [
            each
            for each in self.seen(caslib)
            if fold(each.info.name) == fold(output.name.name)
            and each.info.id != moving
            and (to_global or each.session_id is not None)
        ]
        if taken and not output.replace:
            raise TableExists(
                f"the table {taken[0].info.name!r} exists in caslib {caslib!r}; "
                "set replace to overwrite it",
                table=taken[0].info.name,
                caslib=caslib,
            )
        return taken

    def add_table(self, content: Content, output: Output) -> TableInfo:
        info = TableInfo(
            id=content.id,
            name=output.name.name.strip(),
            caslib=self.caslib(output.name.caslib).name,
            kind=content.kind,
            scope="global" if output.promote else "session",
            rows=content.rows,
            columns=content.columns,
            created=self.stores.now(),
            label=output.label,
            size_bytes=content.size_bytes,
            attributes=content.attributes,
        )
        owner = None if output.promote else self.session.id
        self.stores.tables.append(Table(info, owner, content))
        self.stores.staged.discard(content.id)
        return info

    @contextmanager
    def staging(self, content: Content) -> Iterator[Content]:
        self.stores.staged.add(content.id)
        try:
            yield content
        finally:
            self.stores.staged.discard(content.id)
