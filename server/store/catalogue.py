"""Where tables of every kind are found and placed; shared by the stores of one session."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, delete, insert, or_, select, update

from actions.errors import (
    Conflict,
    InvalidParameters,
    SessionNotFound,
    TableExists,
    TableNotFound,
    WrongKind,
)
from actions.files.links import hidden_file
from actions.ports import Caslib, Kind, Name, Output, Session, TableInfo
from actions.results import Json
from engine.graph.spec import fold
from server.store.caslibs import NEAREST_ID, SqlCaslibStore
from server.store.names import check_name, did_you_mean
from server.store.schema import caslibs, contents, sessions, tables
from server.store.staging import Recipe, add_content, drop_contents

LINKED = "linked_caslib_id"
"""In the header of a link, the caslib its file lies in; a name may come to mean another."""

_NOUNS: dict[Kind, str] = {"data": "data table", "model": "model table", "weights": "weight table"}

_SEEN = or_(tables.c.session_id.is_(None), tables.c.session_id == bindparam("session"))
"""Tables that a session sees."""
_CONTENT = (contents.c.kind, contents.c.rows, contents.c.columns, contents.c.size_bytes)
_ENTRIES = (
    select(tables, *_CONTENT, contents.c.job_id, contents.c.attributes, caslibs.c.name.label("lib"))
    .join_from(tables, contents, tables.c.id == contents.c.id)
    .join(caslibs, tables.c.caslib_id == caslibs.c.id)
)
_NAMED = (
    _ENTRIES.where(tables.c.caslib_id == NEAREST_ID, tables.c.folded == bindparam("table"), _SEEN)
    .order_by(tables.c.session_id.is_(None))
    .limit(1)
)


class Catalogue:
    """The tables one session sees."""

    def __init__(self, session: Session, caslib_store: SqlCaslibStore) -> None:
        self._session = session
        self._caslibs = caslib_store

    def add_link(
        self, connection: Connection, recipe: Recipe, rows: int, caslib: str, *, now: datetime
    ) -> str:
        """Insert the content of a link to a file of a caslib and return its id.

        Raises:
            CaslibNotFound: the session sees no such caslib.
        """
        home = self._caslibs.row(connection, caslib)
        known = replace(recipe, header={LINKED: home.id})
        return add_content(connection, known, state="live", now=now, rows=rows)

    def linked_caslib(self, connection: Connection, caslib_id: str) -> Caslib | None:
        """Return the caslib that the file of a link lies in, None if it was dropped."""
        return self._caslibs.by_id(connection, caslib_id)

    def entry(self, connection: Connection, name: Name, kind: Kind | None = None) -> TableInfo:
        """Return the entry of a table; the session's own hides a global one.

        Raises:
            CaslibNotFound: the session sees no such caslib.
            TableNotFound: the session sees no such table; the message names the nearest.
            WrongKind: it is of another kind than asked for.
        """
        wanted = {**self._caslibs.named(name.caslib), "table": fold(name.name)}
        row = connection.execute(_NAMED, wanted).first()
        if row is None:
            raise self._not_found(connection, name)
        found = _info(row)
        if kind is not None:
            check_kind(found, kind)
        return found

    def entries(self, connection: Connection, caslib: str | None) -> list[TableInfo]:
        """Return all entries the session sees, of one caslib or of all, by name."""
        if caslib is None:
            seen = [row.id for row in self._caslibs.visible(connection).values()]
        else:
            seen = [self._caslibs.row(connection, caslib).id]
        query = _ENTRIES.where(tables.c.caslib_id.in_(seen), _SEEN).order_by(
            tables.c.folded, caslibs.c.folded, tables.c.session_id.is_not(None)
        )
        rows = connection.execute(query, self._sight())
        found = {(row.caslib_id, row.folded): _info(row) for row in rows}
        return list(found.values())

    def place(
        self, connection: Connection, outputs: Sequence[tuple[str, Output]], *, now: datetime
    ) -> list[TableInfo]:
        """Make live contents visible under names.

        Raises:
            CaslibNotFound: the session sees no such caslib.
            InvalidParameters: a name cannot be stored, a global table is to be put in a caslib
                that only the session sees, or is a link to a file that others do not see.
            SessionNotFound: the session was ended.
            TableExists: a name is taken in its scope and ``replace`` is false.
        """
        self._hold_session(connection)
        homes = self._lock_homes(connection, [output for _, output in outputs])
        for (content_id, output), home in zip(outputs, homes, strict=True):
            self._place(connection, content_id, output, home, now=now)
        found = {
            row.id: _info(row)
            for row in connection.execute(
                _ENTRIES.where(tables.c.id.in_([content_id for content_id, _ in outputs]))
            )
        }
        return [found[content_id] for content_id, _ in outputs]

    def promote(
        self, connection: Connection, name: Name, target: Output, *, now: datetime
    ) -> TableInfo:
        """Move a session table to the global scope, under the target's name.

        Raises:
            TableNotFound: the session has no table of its own of that name.
            TableExists: the name is taken and ``replace`` is false.
            InvalidParameters: the caslib is one that only the session sees, or the table is a link
                to a file that others do not see.
        """
        self._hold_session(connection)
        home = self._lock_homes(connection, [target])[0]
        info = self.entry(connection, name)
        if info.scope == "global":
            raise TableExists(
                f"the table {info.name!r} in caslib {info.caslib!r} is global already",
                table=info.name,
                caslib=info.caslib,
            )
        _refuse_private(home, target)
        _refuse_hidden_file(connection, info.id, target, home)
        self._make_room(connection, target, home, now=now, moving=info.id)
        connection.execute(
            update(tables)
            .where(tables.c.id == info.id)
            .values(
                name=target.name.name.strip(),
                folded=fold(target.name.name),
                caslib_id=home.id,
                session_id=None,
                label=target.label or info.label,
            )
        )
        return _info(connection.execute(_ENTRIES.where(tables.c.id == info.id)).one())

    def rename(
        self, connection: Connection, name: Name, new: str, label: str | None, *, now: datetime
    ) -> TableInfo:
        """Give a table another name in its caslib and scope, and another label unless None.

        Raises:
            TableNotFound: the session sees no such table.
            TableExists: the new name is taken.
            InvalidParameters: the new name cannot be stored.
        """
        self._hold_session(connection)
        target = Output(Name(new, name.caslib))
        home = self._lock_homes(connection, [target])[0]
        info = self.entry(connection, name)
        self._make_room(connection, target, home, now=now, moving=info.id)
        values = {"name": new.strip(), "folded": fold(new)}
        values |= {} if label is None else {"label": label}
        connection.execute(update(tables).where(tables.c.id == info.id).values(values))
        return _info(connection.execute(_ENTRIES.where(tables.c.id == info.id)).one())

    def annotate(
        self, connection: Connection, table: TableInfo, facts: Mapping[str, Json]
    ) -> TableInfo:
        """Keep facts with a table, in place of facts of the same names.

        Raises:
            Conflict: the table was dropped or replaced.
        """
        query = select(contents.c.attributes).join(tables, tables.c.id == contents.c.id)
        known = connection.scalar(query.where(tables.c.id == table.id).with_for_update())
        if known is None:
            raise Conflict(
                f"the table {table.name!r} in caslib {table.caslib!r} was dropped or replaced "
                "while its attributes were changed",
                table=table.name,
                caslib=table.caslib,
            )
        merged = {**known, **facts}
        connection.execute(
            update(contents).where(contents.c.id == table.id).values(attributes=merged)
        )
        return replace(table, attributes=merged)

    def _place(
        self,
        connection: Connection,
        content_id: str,
        output: Output,
        home: Row[object],
        *,
        now: datetime,
    ) -> None:
        if output.promote:
            _refuse_private(home, output)
            _refuse_hidden_file(connection, content_id, output, home)
        self._make_room(connection, output, home, now=now)
        connection.execute(
            insert(tables).values(
                id=content_id,
                name=output.name.name.strip(),
                folded=fold(output.name.name),
                caslib_id=home.id,
                session_id=None if output.promote else self._session.id,
                label=output.label,
                version=0,
                created=now,
            )
        )

    def _make_room(
        self,
        connection: Connection,
        output: Output,
        home: Row[object],
        *,
        now: datetime,
        moving: str = "",
    ) -> None:
        """Drop what has the name in the target scope, or refuse to.

        A table that becomes global would stay hidden behind one of the session, so that goes too.
        """
        check_name(output.name.name, "the name of a table")
        to_global = output.promote or moving != ""
        scope = _SEEN if to_global else tables.c.session_id == bindparam("session")
        here = (tables.c.caslib_id == home.id) & (tables.c.folded == fold(output.name.name))
        query = select(tables.c.id, tables.c.name).where(here, scope, tables.c.id != moving)
        taken = connection.execute(query, self._sight()).all()
        if taken and not output.replace:
            raise TableExists(
                f"the table {taken[0].name!r} exists in caslib {home.name!r}; "
                "set replace to overwrite it",
                table=taken[0].name,
                caslib=home.name,
            )
        drop_tables(connection, [row.id for row in taken], now=now)

    def _hold_session(self, connection: Connection) -> None:
        """Keep the session from being ended before the transaction is over."""
        mine = select(sessions.c.id).where(sessions.c.id == self._session.id)
        if connection.scalar(mine.with_for_update(read=True, key_share=True)) is None:
            raise SessionNotFound(f"the session {self._session.id!r} has ended")

    def _lock_homes(self, connection: Connection, outputs: Sequence[Output]) -> list[Row[object]]:
        homes = [self._caslibs.row(connection, output.name.caslib) for output in outputs]
        in_order = select(caslibs.c.id).where(caslibs.c.id.in_([home.id for home in homes]))
        in_order = in_order.order_by(caslibs.c.id).with_for_update(key_share=True)
        connection.execute(in_order)
        return homes

    def _sight(self) -> dict[str, str]:
        return {"session": self._session.id}

    def _not_found(self, connection: Connection, name: Name) -> TableNotFound:
        caslib = self._caslibs.row(connection, name.caslib)
        names = select(tables.c.name).where(tables.c.caslib_id == caslib.id, _SEEN)
        near = did_you_mean(name.name, connection.scalars(names, self._sight()))
        return TableNotFound(
            f"no table is named {name.name!r} in caslib {caslib.name!r}{near.hint}",
            table=name.name,
            caslib=caslib.name,
            nearest=near.names,
        )


def check_kind(table: TableInfo, kind: Kind) -> None:
    """Refuse a table of another kind.

    Raises:
        WrongKind: it is of another kind.
    """
    if table.kind != kind:
        raise WrongKind(
            f"the table {table.name!r} in caslib {table.caslib!r} is a {_NOUNS[table.kind]}, "
            f"expected a {_NOUNS[kind]}",
            table=table.name,
            caslib=table.caslib,
            got=table.kind,
            expected=kind,
        )


def drop_tables(connection: Connection, ids: list[str], *, now: datetime) -> None:
    """Remove entries; their contents follow after the grace period."""
    if ids:
        connection.execute(delete(tables).where(tables.c.id.in_(ids)))
        drop_contents(connection, ids, now=now)


def _refuse_private(home: Row[object], output: Output) -> None:
    if home.session_id is not None:
        raise InvalidParameters(
            f"the table {output.name.name!r} cannot be global in caslib {home.name!r}, "
            "which only this session sees",
            table=output.name.name,
            caslib=home.name,
        )


def _refuse_hidden_file(
    connection: Connection, content_id: str, output: Output, home: Row[object]
) -> None:
    header = connection.scalar(select(contents.c.header).where(contents.c.id == content_id))
    linked = select(caslibs).where(caslibs.c.id == (header or {}).get(LINKED))
    row = connection.execute(linked).first()
    if row is None:
        return
    if row.session_id is not None or row.user_name not in (None, home.user_name):
        raise hidden_file(output, row.name)


def _info(row: Row[object]) -> TableInfo:
    return TableInfo(
        id=row.id,
        name=row.name,
        caslib=row.lib,
        kind=row.kind,
        scope="global" if row.session_id is None else "session",
        rows=row.rows,
        columns=row.columns,
        created=row.created,
        label=row.label,
        version=row.version,
        job_id=row.job_id,
        size_bytes=row.size_bytes,
        attributes=row.attributes,
    )
