"""Sessions, caslibs and tokens, on every database."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from actions.errors import (
    CaslibNotFound,
    Conflict,
    InvalidParameters,
    NotPermitted,
    SessionNotFound,
    TableNotFound,
)
from actions.ports import Caslib, Name, Output, Session
from engine.graph.spec import Graph
from server.store import SessionStores, SqlStores, User
from server.store.schema import contents, tokens
from tests.conftest import HandClock, OpenStores


def make(
    mine: SessionStores, name: str, caslib: str | None = None, *, promote: bool = False
) -> None:
    mine.models.create(Output(Name(name, caslib), promote=promote), Graph(name))


def names(mine: SessionStores) -> list[str]:
    return [table.name for table in mine.tables.list()]


def test_a_session_is_found_by_its_user_alone(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    assert (session.name, session.user, session.active_caslib) == ("first", "ann", "CASUSER")
    assert (session.created, session.used) == (clock.moment, clock.moment)
    assert stores.sessions.find(session.id, "ann") == session

    with pytest.raises(
        SessionNotFound, match=f"^no session of user 'bob' has the id '{session.id}'$"
    ):
        stores.sessions.find(session.id, "bob")


def test_the_use_of_a_session_is_noted_every_half_minute(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    clock.advance(29)
    assert stores.sessions.find(session.id, "ann").used == session.used
    clock.advance(1)
    assert stores.sessions.find(session.id, "ann").used == clock.moment
    assert stores.sessions.list("ann")[0].used == clock.moment


def test_the_default_session_is_made_once(stores: SqlStores, clock: HandClock) -> None:
    first = stores.sessions.default("ann")
    clock.advance(1)

    assert stores.sessions.default("ann") == first
    assert stores.sessions.default("bob").id != first.id
    assert [each.id for each in stores.sessions.list("ann")] == [first.id]


def test_sessions_are_listed_in_the_order_of_their_opening(
    stores: SqlStores, clock: HandClock
) -> None:
    made = []
    for name in ("a", "b", "c"):
        made.append(stores.sessions.create("ann", name))
        clock.advance(1)

    assert stores.sessions.list("ann") == made
    assert stores.sessions.list("bob") == []


@pytest.mark.parametrize("user", ["", "a\0"])
def test_a_user_without_a_name_is_refused(stores: SqlStores, user: str) -> None:
    message = f"the name of a user got {user!r}, expected 1 to 256 printable characters"
    with pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$"):
        stores.sessions.create(user, "x")
    with pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$"):
        stores.sessions.default(user)


def test_ending_a_session_drops_its_tables_and_cancels_its_jobs(
    stores: SqlStores, session: Session, mine: SessionStores
) -> None:
    make(mine, "own")
    make(mine, "shared", promote=True)
    running, queued = (stores.jobs.submit("a.b", {}, session) for _ in range(2))
    stores.jobs.claim("worker-1")

    stores.sessions.end(session.id, "ann")

    other = stores.for_session(stores.sessions.create("ann", "other"))
    assert names(other) == ["shared"]
    with pytest.raises(SessionNotFound):
        stores.sessions.end(session.id, "ann")
    assert stores.jobs.beat(running.id, "worker-1") is True
    assert stores.jobs.find(queued.id, "ann").state == "cancelled"
    assert stores.collect_garbage(grace_s=-1) == 1
    with stores.database.read() as connection:
        assert len(connection.execute(contents.select()).all()) == 1


def test_a_session_is_renamed_and_keeps_options(stores: SqlStores, session: Session) -> None:
    stores.sessions.change(session.id, "ann", options={"a": 1, "b": [2]})
    stores.sessions.change(session.id, "ann", name="second", options={"a": None, "c": "x"})

    found = stores.sessions.find(session.id, "ann")
    assert (found.name, found.options) == ("second", {"b": [2], "c": "x"})
    with pytest.raises(SessionNotFound, match=r"^no session of user 'bob' has the id "):
        stores.sessions.change(session.id, "bob", name="mine")
    with pytest.raises(InvalidParameters, match=r"^the name of a session "):
        stores.sessions.change(session.id, "ann", name="")


def test_a_session_may_be_idle_for_a_time_of_its_own(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    other = stores.sessions.create("ann", "other")
    stores.sessions.change(session.id, "ann", options={"timeout": 100})
    stores.sessions.change(other.id, "ann", options={"timeout": 1})  # less than is noted: 60

    def expired(seconds: float) -> list[str]:
        later = clock.moment + timedelta(seconds=seconds)
        return [each.id for each in stores.sessions.expire(later, idle_s=10)]

    assert expired(59) == []
    assert expired(99) == [other.id]
    assert expired(101) == [session.id]


def test_idle_sessions_expire_but_not_default_ones_or_those_at_work(
    stores: SqlStores, session: Session, mine: SessionStores, clock: HandClock
) -> None:
    make(mine, "own")
    busy = stores.sessions.create("ann", "busy")
    stores.jobs.submit("a.b", {}, busy)
    lasting = stores.sessions.default("ann")
    clock.advance(50)
    fresh = stores.sessions.create("ann", "fresh")
    later = clock.moment + timedelta(seconds=11)

    expired = stores.sessions.expire(later, idle_s=60)

    assert [each.id for each in expired] == [session.id]
    left = {each.id for each in stores.sessions.list("ann")}
    assert left == {busy.id, lasting.id, fresh.id}
    assert stores.sessions.expire(later, idle_s=60) == []


def test_another_caslib_is_made_the_active_one(
    stores: SqlStores, session: Session, mine: SessionStores
) -> None:
    changed = stores.sessions.activate(session.id, "ann", "PUBLIC")

    assert changed.active_caslib == "PUBLIC"
    assert stores.sessions.find(session.id, "ann") == changed
    bound = stores.for_session(changed)
    assert bound.caslibs.find(None).name == "PUBLIC"
    make(bound, "t")
    assert mine.tables.find(Name("t", "public")).caslib == "PUBLIC"


def test_every_session_has_a_personal_and_a_public_caslib(
    stores: SqlStores, mine: SessionStores
) -> None:
    personal, public = mine.caslibs.list()

    assert (personal.name, personal.scope) == ("CASUSER", "global")
    assert personal.path == stores.data / "users" / "ann"
    assert (public.name, public.path) == ("PUBLIC", stores.data / "public")
    assert personal.path.is_dir()
    assert mine.caslibs.find(None) == personal


@pytest.mark.parametrize(
    ("user", "folder"), [("..", "%2E%2E"), ("a/b", "a%2Fb"), ("ä", "%C3%A4"), (".x", "%2Ex")]
)
def test_no_user_name_leads_out_of_the_data_root(stores: SqlStores, user: str, folder: str) -> None:
    bound = stores.for_session(stores.sessions.default(user))

    assert bound.caslibs.find("casuser").path == stores.data / "users" / folder


def test_a_session_caslib_is_seen_by_its_session_alone(
    stores: SqlStores, mine: SessionStores, tmp_path: Path
) -> None:
    added = mine.caslibs.add(Caslib("Pets", tmp_path, "session", "dogs and cats"))

    assert mine.caslibs.find("pets") == added
    assert (added.path, added.description) == (tmp_path, "dogs and cats")
    other = stores.for_session(stores.sessions.create("ann", "other"))
    with pytest.raises(CaslibNotFound, match=r"^no caslib is named 'pets'$"):
        other.caslibs.find("pets")


def test_a_session_caslib_hides_a_global_one(
    stores: SqlStores, mine: SessionStores, tmp_path: Path
) -> None:
    mine.caslibs.add(Caslib("pets", tmp_path / "all", "global"))
    mine.caslibs.add(Caslib("Pets", tmp_path / "own", "session"))

    assert mine.caslibs.find("pets").path == tmp_path / "own"
    assert [each.name for each in mine.caslibs.list()] == ["CASUSER", "Pets", "PUBLIC"]
    other = stores.for_session(stores.sessions.create("bob", "other"))
    assert other.caslibs.find("pets").path == tmp_path / "all"


def test_a_taken_caslib_name_is_refused(mine: SessionStores, tmp_path: Path) -> None:
    mine.caslibs.add(Caslib("pets", tmp_path, "session"))

    with pytest.raises(Conflict, match=r"^a caslib is named 'pets' already$"):
        mine.caslibs.add(Caslib("PETS", tmp_path, "session"))
    with pytest.raises(Conflict, match=r"^a caslib is named 'PUBLIC' already$"):
        mine.caslibs.add(Caslib("Public", tmp_path, "session"))


def test_a_caslib_without_a_name_is_refused(mine: SessionStores, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidParameters,
        match=r"^the name of a caslib got ' ', expected 1 to 256 printable characters$",
    ):
        mine.caslibs.add(Caslib(" ", tmp_path, "session"))


def test_dropping_a_caslib_drops_its_tables_and_keeps_its_files(
    stores: SqlStores, session: Session, mine: SessionStores, tmp_path: Path
) -> None:
    (tmp_path / "file.csv").write_text("a")
    mine.caslibs.add(Caslib("Pets", tmp_path, "session"))
    stores.sessions.activate(session.id, "ann", "pets")
    make(mine, "t", "pets")

    mine.caslibs.drop("PETS")

    assert names(mine) == []
    assert (tmp_path / "file.csv").exists()
    assert stores.sessions.find(session.id, "ann").active_caslib == "CASUSER"


def test_a_built_in_caslib_cannot_be_dropped(mine: SessionStores) -> None:
    with pytest.raises(
        NotPermitted, match=r"^the caslib 'CASUSER' is built in and cannot be dropped$"
    ):
        mine.caslibs.drop("casuser")


def test_a_global_table_cannot_go_into_a_session_caslib(
    mine: SessionStores, tmp_path: Path
) -> None:
    mine.caslibs.add(Caslib("pets", tmp_path, "session"))
    message = "the table 't' cannot be global in caslib 'pets', which only this session sees"

    with pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$"):
        make(mine, "t", "pets", promote=True)
    make(mine, "t")
    with pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$"):
        mine.tables.promote(Name("t"), Output(Name("t", "pets")))


def test_sessions_and_tables_outlive_the_process(open_stores: OpenStores) -> None:
    before = open_stores()
    session = before.sessions.default("ann")
    make(before.for_session(session), "net")
    before.close()
    before.close()

    after = open_stores()

    assert after.sessions.default("ann") == session
    assert names(after.for_session(session)) == ["net"]


def test_a_new_users_session_sees_no_tables(stores: SqlStores) -> None:
    bound = stores.for_session(stores.sessions.default("new"))

    assert bound.tables.list() == []
    with pytest.raises(TableNotFound):
        bound.tables.drop(Name("x"))


def test_a_token_names_its_user_and_role(stores: SqlStores) -> None:
    assert stores.tokens.any() is False

    secret = stores.tokens.add("ann", "admin")

    assert stores.tokens.any() is True
    assert stores.tokens.find(secret) == User("ann", "admin")
    assert stores.tokens.user_of(secret) == "ann"
    assert stores.tokens.find(secret + "x") is None
    assert stores.tokens.user_of("\ud800") is None


def test_a_token_is_kept_as_its_hash(stores: SqlStores) -> None:
    secret = stores.tokens.add("ann")

    with stores.database.read() as connection:
        row = connection.execute(tokens.select()).one()
    assert len(secret) >= 43  # 256 bits in base64
    assert secret not in repr(row)


def test_tokens_are_listed_and_revoked(stores: SqlStores, clock: HandClock) -> None:
    first = stores.tokens.add("bob")
    second = stores.tokens.add("ann")
    clock.advance(1)
    stores.tokens.add("bob")

    listed = stores.tokens.list()

    assert [token.user for token in listed] == ["ann", "bob", "bob"]
    assert [token.role for token in listed] == ["user", "user", "user"]
    assert listed[2].created == clock.moment
    assert stores.tokens.revoke(listed[1].id) is True
    assert stores.tokens.revoke(listed[1].id) is False
    assert stores.tokens.find(first) is None
    assert stores.tokens.user_of(second) == "ann"


def test_a_token_needs_a_user(stores: SqlStores) -> None:
    with pytest.raises(
        InvalidParameters,
        match=r"^the name of a user got '', expected 1 to 256 printable characters$",
    ):
        stores.tokens.add("")


def test_the_database_gives_a_sign_of_life(stores: SqlStores) -> None:
    stores.ping()
