"""What actions ask of the store, as protocols; ``server.store`` implements them over SQL.

Everything here is bound to one session: a look-up sees the session's own tables first, then the
global ones. Names are matched without regard to case and kept as they were written.

Content is staged first and published after: a staged table is invisible, is written in short
transactions (so no writer waits for a long upload or a training run), and is discarded when its
``with`` block ends without publication, or by the next start of the server when the process died.
``publish`` makes any number of staged tables visible in one transaction: all of them or none.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from actions.file_link import FileLink
from actions.results import Json
from engine.graph.spec import Graph
from engine.weights import Chunk, SegmentSpec

Kind = Literal["data", "model", "weights"]
Scope = Literal["session", "global"]

PRIORITY = "priority"
"""The session option that holds the priority of its jobs."""


@dataclass(frozen=True)
class Name:
    """A table's address; a caslib of None means the session's active caslib."""

    name: str
    caslib: str | None = None


@dataclass(frozen=True)
class Output:
    """Where a staged table is to be published."""

    name: Name
    replace: bool = False
    promote: bool = False
    label: str = ""


@dataclass(frozen=True)
class TableInfo:
    """A catalogue entry, as it was when it was read.

    Attributes:
        id: identifies the content; replacing a table gives a new one.
        version: rises with every change in place (models only).
        rows: rows of the table's view (of weights: one per weight; of a model: one per option).
        columns: columns of the table's view.
        attributes: facts kept with the table, such as the data schema of a weight table.
    """

    id: str
    name: str
    caslib: str
    kind: Kind
    scope: Scope
    rows: int
    columns: int
    created: datetime
    label: str = ""
    version: int = 0
    job_id: str | None = None
    size_bytes: int = 0
    attributes: Mapping[str, Json] = field(default_factory=dict)


Entries = list[TableInfo]


class Staged(Protocol):
    """Content that is written but not yet visible."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def rows(self) -> int: ...


class StagedData(Staged, Protocol):
    """A staged data table that is still being written."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; batches of any size are regrouped into chunks of a few MB."""


class TableStore(Protocol):
    """The catalogue of tables of every kind, and the content of data tables."""

    def find(self, name: Name, kind: Kind | None = None) -> TableInfo:
        """Return the entry of a table.

        Raises:
            TableNotFound: the session sees none; details carry the nearest names.
            WrongKind: it is of another kind than asked for.
        """

    def list(self, caslib: str | None = None) -> Entries:
        """Return all entries the session sees, of one caslib or of all, by name."""

    def schema(self, table: TableInfo) -> pa.Schema:
        """Return the columns of a data table."""

    def scan(
        self,
        table: TableInfo,
        *,
        columns: Sequence[str] | None = None,
        first_row: int = 0,
        rows: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read a data table chunk by chunk, in order; chunks outside the range are not read.

        Raises:
            FileNotFound, Conflict, PathForbidden: the table is a link, and its file is gone, was
                changed, or leads out of the caslib.
        """

    def link(self, output: Output, schema: pa.Schema, rows: int, file: FileLink) -> TableInfo:
        """Make a data table whose rows stay in a file of a caslib; nothing else is stored.

        Raises:
            TableExists: the name is taken and ``replace`` is false.
            InvalidParameters: it would be seen by sessions that do not see the file's caslib.
        """

    def stage(
        self, schema: pa.Schema, *, attributes: Mapping[str, Json] | None = None
    ) -> AbstractContextManager[StagedData]:
        """Open a data table for writing; discarded at the block's end unless published in it."""

    def publish(self, *outputs: tuple[Staged, Output]) -> Entries:
        """Make staged tables visible, all in one transaction.

        Raises:
            TableExists: a name is taken in the target scope and ``replace`` is false; nothing is
                published.
        """

    def drop(self, name: Name) -> TableInfo:
        """Remove a table and its content; a session table hides a global one and goes first."""

    def promote(self, name: Name, target: Output) -> TableInfo:
        """Move a session table to the global scope, under the target's name."""

    def rename(self, name: Name, new: str, *, label: str | None = None) -> TableInfo:
        """Give a table another name in its caslib and scope, and another label unless None.

        Raises:
            TableExists: the new name is taken.
        """

    def annotate(self, table: TableInfo, facts: Mapping[str, Json]) -> TableInfo:
        """Keep facts with a table, in place of facts of the same names.

        Raises:
            Conflict: the table was dropped or replaced.
        """


@dataclass(frozen=True)
class StoredModel:
    """A model table and the graph it held when it was read."""

    info: TableInfo
    graph: Graph


class ModelStore(Protocol):
    """Models, one row per layer and one per edge."""

    def create(self, output: Output, graph: Graph) -> TableInfo:
        """Store a new model.

        Raises:
            TableExists: the name is taken and ``replace`` is false.
        """

    def load(self, name: Name) -> StoredModel: ...

    def save(self, stored: StoredModel, graph: Graph) -> TableInfo:
        """Change a model in place, writing only the layers that differ.

        Raises:
            Conflict: the model was changed, replaced or dropped since it was loaded.
        """


@dataclass(frozen=True)
class WeightsHeader:
    """What a weight table knows besides its numbers.

    Attributes:
        specs: every tensor in the order of the table.
        lineage: model, data table, parameters, seed, software versions, job.
        schema: how rows become tensors, as the engine's ``Schema`` dumps itself.
    """

    specs: Sequence[SegmentSpec]
    lineage: Mapping[str, Json] = field(default_factory=dict)
    schema: Mapping[str, Json] | None = None


class WeightStore(Protocol):
    """Weight tables: a header and ordered segments of float32."""

    def stage(
        self, header: WeightsHeader, chunks: Iterator[Chunk]
    ) -> AbstractContextManager[Staged]:
        """Write a weight table; chunks arrive in the order of the table."""

    def load(self, name: Name) -> tuple[TableInfo, WeightsHeader]: ...

    def chunks(
        self, table: TableInfo, *, first_row: int = 0, rows: int | None = None
    ) -> Iterator[Chunk]:
        """Read weights in order; only the chunks that touch the range are read, cut to it."""


@dataclass(frozen=True)
class Caslib:
    """A named folder tables are loaded from and saved to."""

    name: str
    path: Path
    scope: Scope
    description: str = ""


Caslibs = list[Caslib]


class CaslibStore(Protocol):
    """The caslibs a session sees."""

    def find(self, name: str | None) -> Caslib:
        """Return a caslib; None means the session's active one."""

    def list(self) -> Caslibs: ...
    def add(self, caslib: Caslib) -> Caslib: ...
    def drop(self, name: str) -> None: ...


@dataclass(frozen=True)
class Session:
    """Who calls, and where their tables live.

    Attributes:
        options: session options by their folded names, and the action sets that were loaded.
    """

    id: str
    name: str
    user: str
    active_caslib: str
    created: datetime
    used: datetime
    options: Mapping[str, Json] = field(default_factory=dict)

    @property
    def priority(self) -> int:
        """Of its jobs, where a call does not say another."""
        found = self.options.get(PRIORITY)
        return found if isinstance(found, int) else 0


Sessions = list[Session]


class SessionStore(Protocol):
    """Sessions of all users."""

    def create(self, user: str, name: str) -> Session: ...
    def default(self, user: str) -> Session:
        """Return the caller's own lasting session, creating it at first use."""

    def find(self, session_id: str, user: str) -> Session:
        """Return a session of the user and note its use.

        Raises:
            SessionNotFound: there is none, or it belongs to somebody else.
        """

    def list(self, user: str) -> Sessions: ...
    def activate(self, session_id: str, user: str, caslib: str) -> Session:
        """Make a caslib the active one; that it exists is for the caller to see to."""

    def change(
        self,
        session_id: str,
        user: str,
        *,
        name: str | None = None,
        options: Mapping[str, Json] | None = None,
    ) -> Session:
        """Rename a session, or set some of its options; an option of None is forgotten."""

    def end(self, session_id: str, user: str) -> None:
        """End a session and drop its tables."""
