"""Every SQL table, once.

Names are kept as written and, beside that, folded for look-ups. Times are UTC. JSON is canonical
text, so that both databases keep it alike. What a table of the catalogue holds is its *content*:
immutable once published (models excepted), found by the same id, and kept for a while after it was
dropped, so that a reader in the middle of it can finish.
"""

import json
import re
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)

from actions.results import Json

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """A moment, always with the UTC time zone in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Characters(TypeDecorator[str]):
    """Text of any length.

    What the databases cannot hold (NUL, halves of surrogate pairs) becomes a noncharacter of
    Unicode. No checked name contains one, so a look-up with such a name finds nothing.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else _UNSTORABLE.sub("\uffff", value)


class JsonText(TypeDecorator[Json]):
    """A JSON value as canonical text: sorted keys, no blanks, ASCII."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:
        del dialect
        loaded: Json = None if value is None else json.loads(value)
        return loaded


def canonical(value: object) -> str:
    """Return a JSON value, mappings of any class included, as text that is equal for equal ones."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=dict)


_counter = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the column is a plain INTEGER."""


users = Table(
    "users",
    metadata,
    Column("name", Characters, primary_key=True),
    Column("role", Characters, nullable=False),
    Column("created", UtcTime, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Characters, primary_key=True),
    Column("sha256", Characters, nullable=False, unique=True),
    Column("user_name", Characters, ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("created", UtcTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Characters, primary_key=True),
    Column("name", Characters, nullable=False),
    Column("user_name", Characters, nullable=False),
    Column("active_caslib", Characters, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("used", UtcTime, nullable=False),
    Column("options", JsonText, nullable=False, server_default=text("'{}'")),
    Index("ix_sessions_user_name", "user_name"),
    Index(
        "uq_sessions_default",
        "user_name",
        unique=True,
        sqlite_where=text("is_default"),
        postgresql_where=text("is_default"),
    ),
)

caslibs = Table(
    "caslibs",
    metadata,
    Column("id", Characters, primary_key=True),
    Column("name", Characters, nullable=False),
    Column("folded", Characters, nullable=False),
    Column("session_id", Characters, ForeignKey("sessions.id")),
    Column("user_name", Characters),
    Column("path", Characters, nullable=False),
    Column("is_builtin", Boolean, nullable=False),
    Column("description", Characters, nullable=False),
    Column("created", UtcTime, nullable=False),
    CheckConstraint("session_id IS NULL OR user_name IS NULL", name="one_owner"),
    Index(
        "uq_caslibs_global",
        "folded",
        unique=True,
        sqlite_where=text("session_id IS NULL AND user_name IS NULL"),
        postgresql_where=text("session_id IS NULL AND user_name IS NULL"),
    ),
    Index(
        "uq_caslibs_user",
        "user_name",
        "folded",
        unique=True,
        sqlite_where=text("user_name IS NOT NULL"),
        postgresql_where=text("user_name IS NOT NULL"),
    ),
    Index(
        "uq_caslibs_session",
        "session_id",
        "folded",
        unique=True,
        sqlite_where=text("session_id IS NOT NULL"),
        postgresql_where=text("session_id IS NOT NULL"),
    ),
)

contents = Table(
    "contents",
    metadata,
    Column("id", Characters, primary_key=True),
    Column("kind", Characters, nullable=False),
    Column("state", Characters, nullable=False),  # staged, live, dropped, garbage
    Column("touched", UtcTime, nullable=False),  # last sign of its writer, or when it was dropped
    Column("created", UtcTime, nullable=False),
    Column("job_id", Characters),  # the job that made it
    Column("rows", BigInteger, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("arrow_schema", LargeBinary),  # of data tables: an Arrow IPC schema message
    Column("attributes", JsonText, nullable=False),
    Column("header", JsonText, nullable=False),  # of weights: tensors; of models: name, family
    CheckConstraint("kind IN ('data', 'model', 'weights')", name="kind"),
    CheckConstraint("state IN ('staged', 'live', 'dropped', 'garbage')", name="state"),
    Index("ix_contents_state_touched", "state", "touched"),
)

tables = Table(
    "tables",
    metadata,
    Column("id", Characters, ForeignKey("contents.id"), primary_key=True),
    Column("name", Characters, nullable=False),
    Column("folded", Characters, nullable=False),
    Column("caslib_id", Characters, ForeignKey("caslibs.id"), nullable=False),
    Column("session_id", Characters, ForeignKey("sessions.id")),  # null: global
    Column("label", Characters, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", UtcTime, nullable=False),
    Index(
        "uq_tables_global",
        "caslib_id",
        "folded",
        unique=True,
        sqlite_where=text("session_id IS NULL"),
        postgresql_where=text("session_id IS NULL"),
    ),
    Index(
        "uq_tables_session",
        "session_id",
        "caslib_id",
        "folded",
        unique=True,
        sqlite_where=text("session_id IS NOT NULL"),
        postgresql_where=text("session_id IS NOT NULL"),
    ),
)

data_chunks = Table(
    "data_chunks",
    metadata,
    Column("content_id", Characters, ForeignKey("contents.id"), primary_key=True),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # an Arrow IPC stream of one record batch
)

weight_chunks = Table(
    "weight_chunks",
    metadata,
    Column("content_id", Characters, ForeignKey("contents.id"), primary_key=True),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("segment", Integer, nullable=False),  # which tensor of the header
    Column("start", BigInteger, nullable=False),  # of the first value inside that tensor
    Column("body", LargeBinary, nullable=False),  # little-endian float32
)

model_layers = Table(
    "model_layers",
    metadata,
    Column("content_id", Characters, ForeignKey("contents.id"), primary_key=True),
    Column("layer_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Characters, nullable=False),
    Column("type", Characters, nullable=False),
    Column("options", Characters, nullable=False),  # canonical JSON, defaults written out
    Column("shared_id", Integer),  # the layer whose weights it uses; null: it has its own
)

model_edges = Table(
    "model_edges",
    metadata,
    Column("content_id", Characters, primary_key=True),
    Column("layer_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("source_id", Integer, nullable=False),
    ForeignKeyConstraint(
        ["content_id", "layer_id"], ["model_layers.content_id", "model_layers.layer_id"]
    ),
    ForeignKeyConstraint(
        ["content_id", "source_id"], ["model_layers.content_id", "model_layers.layer_id"]
    ),
    Index("ix_model_edges_source", "content_id", "source_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", _counter, primary_key=True, autoincrement=True),  # the order of submission
    Column("id", Characters, nullable=False, unique=True),
    Column("action", Characters, nullable=False),
    Column("params", JsonText, nullable=False),
    Column("session_id", Characters, nullable=False),  # outlives the session
    Column("user_name", Characters, nullable=False),
    Column("state", Characters, nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("started", UtcTime),
    Column("finished", UtcTime),
    Column("owner", Characters),
    Column("heartbeat", UtcTime),
    Column("cancel_requested", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("checkpoint_id", Characters, ForeignKey("contents.id")),
    Column("resumes", Boolean, nullable=False, server_default=false()),
    Column("lost", Integer, nullable=False, server_default=text("0")),  # workers that died at it
    Column("checkpoint", Integer),  # the generation that is whole; null: none
    Column("rank", Integer, nullable=False, server_default=text("0")),  # the priority, negated
    Column("turn", BigInteger, nullable=False, server_default=text("0")),  # see server.store.queue
    Column("gpu", Boolean, nullable=False, server_default=false()),
    Column("result", JsonText),
    Column("error", JsonText),
    Column("events", Integer, nullable=False),  # the seq of the last event
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index("ix_jobs_queue", "state", "rank", "turn", "number"),
    Index("ix_jobs_user_name_number", "user_name", "number"),
    Index("ix_jobs_session", "session_id", "state", "rank", "turn"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Characters, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("kind", Characters, nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("data", JsonText, nullable=False),
)

job_checkpoints = Table(
    "job_checkpoints",
    metadata,
    Column("job_id", Characters, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

call_keys = Table(
    "call_keys",
    metadata,
    Column("user_name", Characters, primary_key=True),
    Column("key", Characters, primary_key=True),
    Column("digest", Characters, nullable=False),  # of the call, so that another one is known
    Column("created", UtcTime, nullable=False),
    Column("job_id", Characters),  # of calls that run as jobs
    Column("answer", JsonText),  # of calls that do not; null: the call has not ended
    Index("ix_call_keys_created", "created"),
)
