"""The life of content: staged, live, dropped, garbage, gone.

A staged content shows a sign of life with every write. When the sign is older than a lease, its
writer is taken for dead. A dropped content is kept for a grace period, so that readers in the
middle of it finish. Both then become garbage, which nobody can write to or publish, and are removed
piece by piece in short transactions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from actions.errors import ActionError, Conflict
from actions.ports import Kind
from actions.results import Json
from server.store.connect import Database
from server.store.schema import (
    contents,
    data_chunks,
    jobs,
    model_edges,
    model_layers,
    weight_chunks,
)

LEASE_S = 3600.0
"""A staged content without a sign of life for so long is an orphan."""
GRACE_S = 600.0
"""A dropped content is kept for so long."""

GONE = "the staged table was published, discarded, or idle for too long"

_PIECE = 16
"""Chunks removed in one transaction: about 64 MiB."""
_ID_BYTES = 16

_STAGED = (contents.c.id == bindparam("content")) & (contents.c.state == "staged")
_COUNT = (
    update(contents)
    .where(_STAGED)
    .values(
        touched=bindparam("now"),
        rows=contents.c.rows + bindparam("more_rows"),
        size_bytes=contents.c.size_bytes + bindparam("more_bytes"),
    )
)


@dataclass(frozen=True)
class Recipe:
    """What is known of a content before its first row is written."""

    kind: Kind
    columns: int
    attributes: Mapping[str, Json]
    header: Mapping[str, Json]
    arrow_schema: bytes | None = None
    job_id: str | None = None
    size_bytes: int = 0


class SqlStaged:
    """Content that is written but not yet visible."""

    def __init__(self, database: Database, content_id: str, kind: Kind) -> None:
        self.id = content_id
        self.kind = kind
        self.rows = 0
        self._database = database
        self._touched = database.now()

    def seal(self) -> None:
        """Write what is still held back; nothing by default."""

    def record(self, connection: Connection, *, rows: int, size_bytes: int) -> int:
        """Count rows that the caller's transaction adds and return how many there were.

        Raises:
            Conflict: the content was taken for an orphan and collected.
        """
        self._touched = self._database.now()
        more = {"more_rows": rows, "more_bytes": size_bytes, "now": self._touched}
        if connection.execute(_COUNT, {"content": self.id, **more}).rowcount != 1:
            raise Conflict(GONE)
        self.rows += rows
        return self.rows - rows

    def keep_alive(self) -> None:
        """Show a sign of life if the last one is getting old."""
        if self._database.now() - self._touched > timedelta(seconds=LEASE_S / 4):
            with self._database.write(relaxed=True) as connection:
                self.record(connection, rows=0, size_bytes=0)


def add_content(
    connection: Connection, recipe: Recipe, *, state: str, now: datetime, rows: int = 0
) -> str:
    """Insert a content and return its id."""
    content_id = token_hex(_ID_BYTES)
    connection.execute(
        insert(contents).values(
            id=content_id,
            kind=recipe.kind,
            state=state,
            touched=now,
            created=now,
            job_id=recipe.job_id,
            rows=rows,
            columns=recipe.columns,
            size_bytes=recipe.size_bytes,
            arrow_schema=recipe.arrow_schema,
            attributes=recipe.attributes,
            header=recipe.header,
        )
    )
    return content_id


def open_content(database: Database, recipe: Recipe) -> str:
    """Insert a staged content in a transaction of its own and return its id."""
    with database.write(relaxed=True) as connection:
        return add_content(connection, recipe, state="staged", now=database.now())


@contextmanager
def discarding(database: Database, staged: SqlStaged) -> Iterator[None]:
    """Remove the content at the block's end unless it was published.

    When the database fails then, the content is left for the garbage collection.
    """
    try:
        yield
    finally:
        with suppress(ActionError):
            discard(database, staged.id)


def discard(database: Database, content_id: str) -> None:
    """Remove a content that is still staged."""
    with database.write(relaxed=True) as connection:
        condemned = update(contents).where(_STAGED).values(state="garbage")
        orphaned = connection.execute(condemned, {"content": content_id}).rowcount == 1
    if orphaned:
        _remove(database, content_id)


def make_live(connection: Connection, content_id: str, *, now: datetime) -> None:
    """Turn a staged content into one that a table may hold.

    Raises:
        Conflict: the content is no longer staged.
    """
    alive = update(contents).where(_STAGED).values(state="live", touched=now)
    if connection.execute(alive, {"content": content_id}).rowcount != 1:
        raise Conflict(GONE)


def drop_contents(connection: Connection, content_ids: list[str], *, now: datetime) -> None:
    """Mark the contents of dropped tables for removal after the grace period."""
    connection.execute(
        update(contents).where(contents.c.id.in_(content_ids)).values(state="dropped", touched=now)
    )


def collect(database: Database, *, lease_s: float, grace_s: float) -> int:
    """Remove orphaned and dropped contents and return how many."""
    now = database.now()
    orphaned = and_(
        contents.c.state == "staged", contents.c.touched < now - timedelta(seconds=lease_s)
    )
    unused = and_(
        contents.c.state == "dropped", contents.c.touched <= now - timedelta(seconds=grace_s)
    )
    with database.write(relaxed=True) as connection:
        connection.execute(update(contents).where(or_(orphaned, unused)).values(state="garbage"))
        found = connection.scalars(select(contents.c.id).where(contents.c.state == "garbage"))
        garbage = list(found)
    for content_id in garbage:
        _remove(database, content_id)
    return len(garbage)


def _remove(database: Database, content_id: str) -> None:
    for chunks in (data_chunks, weight_chunks):
        piece = (
            select(chunks.c.first_row).where(chunks.c.content_id == content_id).limit(_PIECE)
        ).scalar_subquery()
        one_piece = delete(chunks).where(
            chunks.c.content_id == content_id, chunks.c.first_row.in_(piece)
        )
        removed = _PIECE
        while removed == _PIECE:
            with database.write(relaxed=True) as connection:
                removed = connection.execute(one_piece).rowcount
    with database.write(relaxed=True) as connection:
        for parts in (model_edges, model_layers):
            connection.execute(delete(parts).where(parts.c.content_id == content_id))
        connection.execute(
            update(jobs).where(jobs.c.checkpoint_id == content_id).values(checkpoint_id=None)
        )
        connection.execute(delete(contents).where(contents.c.id == content_id))
