"""Sessions of all users: who calls, and where their tables live."""

import builtins
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from secrets import token_hex

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    bindparam,
    delete,
    exists,
    or_,
    select,
    type_coerce,
    update,
)

from actions.errors import SessionNotFound, StoreUnavailable
from actions.ports import Session
from actions.results import Json
from server.store.caslibs import PERSONAL, add_personal, drop_caslibs
from server.store.connect import Database
from server.store.jobs import cancel
from server.store.names import check_name
from server.store.schema import caslibs, jobs, sessions, tables
from server.store.staging import drop_contents

USE_RESOLUTION_S = 30.0
"""The last use is noted this coarsely, so that not every call writes."""

_ID_BYTES = 16

TIMEOUT = "timeout"
"""The option that says how many seconds a session may be idle."""

_DEFAULT = select(sessions).where(sessions.c.user_name == bindparam("user"), sessions.c.is_default)
_BY_ID = select(sessions).where(
    sessions.c.id == bindparam("session"), sessions.c.user_name == bindparam("user")
)


class SqlSessionStore:
    """Sessions of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, user: str, name: str) -> Session:
        """Open a session whose active caslib is the user's own.

        Raises:
            InvalidParameters: a name is empty, too long or has characters that cannot be shown.
        """
        check_name(user, "the name of a user")
        check_name(name, "the name of a session")
        with self._database.write() as connection:
            return self._add(connection, user, name, is_default=False)

    def default(self, user: str) -> Session:
        """Return the caller's own lasting session, creating it at first use.

        Raises:
            InvalidParameters: the name is empty, too long or has characters that cannot be shown.
        """
        mine = {"user": user}
        with self._database.read() as connection:
            row = connection.execute(_DEFAULT, mine).first()
        if row is not None:
            return self._note_use(row)
        check_name(user, "the name of a user")
        with self._database.write() as connection:
            self._add(connection, user, "default", is_default=True)
            return _session(connection.execute(_DEFAULT, mine).one())

    def find(self, session_id: str, user: str) -> Session:
        """Return a session of the user and note its use.

        Raises:
            SessionNotFound: there is none, or it belongs to somebody else.
        """
        with self._database.read() as connection:
            row = _row(connection, session_id, user)
        return self._note_use(row)

    def list(self, user: str) -> builtins.list[Session]:
        """Return the sessions of a user, the oldest first."""
        query = select(sessions).where(sessions.c.user_name == user)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(sessions.c.created, sessions.c.id))
            return [_session(row) for row in rows]

    def activate(self, session_id: str, user: str, caslib: str) -> Session:
        """Make a caslib the active one; that it exists is for the caller to see to.

        Raises:
            SessionNotFound: there is no such session, or it belongs to somebody else.
        """
        with self._database.write() as connection:
            _row(connection, session_id, user)
            connection.execute(
                update(sessions).where(sessions.c.id == session_id).values(active_caslib=caslib)
            )
            return _session(_row(connection, session_id, user))

    def change(
        self,
        session_id: str,
        user: str,
        *,
        name: str | None = None,
        options: Mapping[str, Json] | None = None,
    ) -> Session:
        """Rename a session, or set some of its options; an option of None is forgotten.

        Raises:
            SessionNotFound: there is no such session, or it belongs to somebody else.
            InvalidParameters: the name is empty, too long or has characters that cannot be shown.
        """
        if name is not None:
            check_name(name, "the name of a session")
        with self._database.write() as connection:
            row = _row(connection, session_id, user, lock=True)
            merged = {**_session(row).options, **(options or {})}
            kept = {option: value for option, value in merged.items() if value is not None}
            changed = {"name": row.name if name is None else name, "options": kept}
            connection.execute(
                update(sessions).where(sessions.c.id == session_id).values(**changed)
            )
            return _session(_row(connection, session_id, user))

    def end(self, session_id: str, user: str) -> None:
        """End a session: drop its tables and caslibs, cancel its jobs.

        Raises:
            SessionNotFound: there is none, or it belongs to somebody else.
        """
        with self._database.write() as connection:
            row = _row(connection, session_id, user, lock=True)
            self._end(connection, row.id)

    def expire(self, now: datetime, idle_s: float) -> builtins.list[Session]:
        """End the sessions that were not used for ``idle_s`` seconds, and return them.

        A session may have a time of its own, the option ``timeout``, in place of it. Default
        sessions never expire, nor do sessions with a job that is queued or running.
        """
        at_work = exists().where(jobs.c.session_id == sessions.c.id, _unfinished())
        idle = sessions.c.used < now - timedelta(seconds=idle_s)
        own = type_coerce(sessions.c.options, Text).contains(f'"{TIMEOUT}":')
        query = select(sessions).where(or_(idle, own), ~sessions.c.is_default, ~at_work)
        with self._database.read() as connection:
            found = [_session(row) for row in connection.execute(query)]
        if not any(_is_idle(each, now, idle_s) for each in found):
            return []
        with self._database.write() as connection:
            found = [_session(row) for row in connection.execute(query.with_for_update())]
            ended = [each for each in found if _is_idle(each, now, idle_s)]
            for each in ended:
                self._end(connection, each.id)
        return ended

    def _add(self, connection: Connection, user: str, name: str, *, is_default: bool) -> Session:
        now = self._database.now()
        session = Session(token_hex(_ID_BYTES), name, user, PERSONAL, now, now)
        connection.execute(
            self._database.insert_or_keep(sessions).values(
                id=session.id,
                name=name,
                user_name=user,
                active_caslib=PERSONAL,
                is_default=is_default,
                created=now,
                used=now,
                options={},
            )
        )
        add_personal(connection, self._database, user)
        return session

    def _note_use(self, row: Row[object]) -> Session:
        now = self._database.now()
        session = _session(row)
        if now - session.used < timedelta(seconds=USE_RESOLUTION_S):
            return session
        # A call that only reads must not wait, or fail, because nobody can write just now.
        with (
            suppress(StoreUnavailable),
            self._database.write(relaxed=True, waits=False) as connection,
        ):
            connection.execute(update(sessions).where(sessions.c.id == row.id).values(used=now))
            return _session(_row(connection, session.id, session.user))
        return session

    def _end(self, connection: Connection, session_id: str) -> None:
        now = self._database.now()
        mine = tables.c.session_id == session_id
        held = list(connection.scalars(delete(tables).where(mine).returning(tables.c.id)))
        drop_contents(connection, held, now=now)
        drop_caslibs(connection, caslibs.c.session_id == session_id, self._database)
        at_work = select(jobs.c.id).where(jobs.c.session_id == session_id, _unfinished())
        cancel(connection, list(connection.scalars(at_work)), now)
        connection.execute(delete(sessions).where(sessions.c.id == session_id))


def _row(connection: Connection, session_id: str, user: str, *, lock: bool = False) -> Row[object]:
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"session": session_id, "user": user}).first()
    if row is None:
        raise SessionNotFound(f"no session of user {user!r} has the id {session_id!r}")
    return row


def _session(row: Row[object]) -> Session:
    return Session(
        row.id, row.name, row.user_name, row.active_caslib, row.created, row.used, row.options or {}
    )


def _is_idle(session: Session, now: datetime, idle_s: float) -> bool:
    """Tell whether a session was idle for its time; shorter ones than are noted do not count."""
    own = session.options.get(TIMEOUT)
    if isinstance(own, int | float):
        idle_s = max(float(own), 2 * USE_RESOLUTION_S)
    return now - session.used > timedelta(seconds=idle_s)


def _unfinished() -> ColumnElement[bool]:
    return jobs.c.state.in_(("queued", "running"))
