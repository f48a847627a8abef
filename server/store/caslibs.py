"""Caslibs: named folders, of one session, of one user (CASUSER), or of everybody.

A look-up sees the session's own first, then the user's, then the global ones. The built-in ones
live below the data root, which may move; others keep the absolute path they were added with.
"""

import builtins
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)

from actions.errors import CaslibNotFound, Conflict, NotPermitted
from actions.ports import Caslib, Scope, Session
from engine.graph.spec import fold
from server.store.connect import Database
from server.store.names import check_name, did_you_mean
from server.store.schema import caslibs, sessions, tables
from server.store.staging import drop_contents

PERSONAL = "CASUSER"
PUBLIC = "PUBLIC"

_ID_BYTES = 16

_CLOSENESS = case(
    (caslibs.c.session_id.is_not(None), 0), (caslibs.c.user_name.is_not(None), 1), else_=2
)
_VISIBLE = (
    select(caslibs)
    .where(
        or_(
            and_(caslibs.c.session_id.is_(None), caslibs.c.user_name.is_(None)),
            caslibs.c.session_id == bindparam("session"),
            caslibs.c.user_name == bindparam("user"),
        )
    )
    .order_by(caslibs.c.folded, _CLOSENESS.desc())
)
_NEAREST_NAMED = (
    _VISIBLE.where(caslibs.c.folded == bindparam("caslib"))
    .order_by(None)
    .order_by(_CLOSENESS)
    .limit(1)
)
NEAREST_ID = _NEAREST_NAMED.with_only_columns(caslibs.c.id).scalar_subquery()
"""Id of the caslib that ``SqlCaslibStore.named`` names, as a part of a larger query."""


class SqlCaslibStore:
    """The caslibs a session sees."""

    def __init__(self, database: Database, session: Session, data_root: Path) -> None:
        self._database = database
        self._session = session
        self._data_root = data_root

    def find(self, name: str | None) -> Caslib:
        """Return a caslib; None means the session's active one.

        Raises:
            CaslibNotFound: the session sees none of that name.
        """
        with self._database.read() as connection:
            return self._caslib(self.row(connection, name))

    def list(self) -> builtins.list[Caslib]:
        """Return the caslibs the session sees, by name."""
        with self._database.read() as connection:
            return [self._caslib(row) for row in self.visible(connection).values()]

    def add(self, caslib: Caslib) -> Caslib:
        """Add a caslib of the session or a global one.

        Raises:
            InvalidParameters: the name is empty, too long or has characters that cannot be shown.
            Conflict: the name is taken in that scope.
        """
        check_name(caslib.name, "the name of a caslib")
        in_session = caslib.scope == "session"
        path = caslib.path.absolute()
        with self._database.write() as connection:
            self._refuse_taken(connection, caslib.name, in_session=in_session)
            connection.execute(
                insert(caslibs).values(
                    id=token_hex(_ID_BYTES),
                    name=caslib.name.strip(),
                    folded=fold(caslib.name),
                    session_id=self._session.id if in_session else None,
                    user_name=None,
                    path=str(path),
                    is_builtin=False,
                    description=caslib.description,
                    created=self._database.now(),
                )
            )
        return Caslib(caslib.name.strip(), path, caslib.scope, caslib.description)

    def drop(self, name: str) -> None:
        """Remove a caslib and the tables in it; its files stay.

        Sessions that had it as their active one go back to their personal caslib.

        Raises:
            CaslibNotFound: the session sees none of that name.
            NotPermitted: it is a built-in one.
        """
        with self._database.write() as connection:
            row = self.row(connection, name, lock=True)
            if row.is_builtin:
                raise NotPermitted(f"the caslib {row.name!r} is built in and cannot be dropped")
            drop_caslibs(connection, caslibs.c.id == row.id, self._database)
            affected = update(sessions).values(active_caslib=PERSONAL)
            if row.session_id is not None:
                affected = affected.where(sessions.c.id == row.session_id)
            names = (row.name, row.folded, row.name.upper())
            connection.execute(affected.where(sessions.c.active_caslib.in_(names)))

    def by_id(self, connection: Connection, caslib_id: str) -> Caslib | None:
        """Return a caslib, hidden behind another of its name or not; None if it was dropped."""
        row = connection.execute(select(caslibs).where(caslibs.c.id == caslib_id)).first()
        return None if row is None else self._caslib(row)

    def row(self, connection: Connection, name: str | None, *, lock: bool = False) -> Row[object]:
        """Return the row of a caslib the session sees.

        With ``lock``, no other transaction publishes in it before this one ends (PostgreSQL).

        Raises:
            CaslibNotFound: the session sees none of that name; the message names the nearest.
        """
        wanted = self._session.active_caslib if name is None else name
        query = _NEAREST_NAMED.with_for_update(key_share=True) if lock else _NEAREST_NAMED
        row = connection.execute(query, self.named(name)).first()
        if row is None:
            near = did_you_mean(wanted, [seen.name for seen in self.visible(connection).values()])
            raise CaslibNotFound(
                f"no caslib is named {wanted!r}{near.hint}", caslib=wanted, nearest=near.names
            )
        return row

    def visible(self, connection: Connection) -> dict[str, Row[object]]:
        """Return the rows of all caslibs the session sees by folded name, sorted."""
        return {row.folded: row for row in connection.execute(_VISIBLE, self._sight())}

    def named(self, name: str | None) -> dict[str, str]:
        """Return what ``NEAREST_ID`` is asked with; None means the session's active caslib."""
        wanted = self._session.active_caslib if name is None else name
        return {**self._sight(), "caslib": fold(wanted)}

    def _sight(self) -> dict[str, str]:
        return {"session": self._session.id, "user": self._session.user}

    def _refuse_taken(self, connection: Connection, name: str, *, in_session: bool) -> None:
        taken = self.visible(connection).get(fold(name))
        if taken is not None and (taken.is_builtin or (taken.session_id is not None) is in_session):
            raise Conflict(f"a caslib is named {taken.name!r} already", caslib=taken.name)

    def _caslib(self, row: Row[object]) -> Caslib:
        path = Path(row.path)
        if row.is_builtin:
            path = self._data_root / path
            path.mkdir(parents=True, exist_ok=True)
        scope: Scope = "global" if row.session_id is None else "session"
        return Caslib(row.name, path, scope, row.description)


def add_public(database: Database) -> None:
    """Add the caslib everybody shares, unless it is there."""
    with database.read() as connection:
        known = select(caslibs.c.id).where(caslibs.c.is_builtin, caslibs.c.user_name.is_(None))
        if connection.scalar(known) is not None:
            return
    with database.write() as connection:
        _add_builtin(connection, database, PUBLIC, None, Path("public"))


def add_personal(connection: Connection, database: Database, user: str) -> None:
    """Add a user's own caslib, unless it is there."""
    folder = quote(user, safe="").replace(".", "%2E")  # no user name reads as a path
    _add_builtin(connection, database, PERSONAL, user, Path("users") / folder)


def drop_caslibs(connection: Connection, which: ColumnElement[bool], database: Database) -> None:
    """Remove caslibs and the tables in them."""
    inside = tables.c.caslib_id.in_(select(caslibs.c.id).where(which))
    held = list(connection.scalars(delete(tables).where(inside).returning(tables.c.id)))
    drop_contents(connection, held, now=database.now())
    connection.execute(delete(caslibs).where(which))


def _add_builtin(
    connection: Connection, database: Database, name: str, user: str | None, path: Path
) -> None:
    connection.execute(
        database.insert_or_keep(caslibs).values(
            id=token_hex(_ID_BYTES),
            name=name,
            folded=fold(name),
            session_id=None,
            user_name=user,
            path=path.as_posix(),
            is_builtin=True,
            description="",
            created=database.now(),
        )
    )
