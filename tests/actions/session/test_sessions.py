import pytest

from actions import run_action
from actions.context import Context
from actions.errors import CaslibNotFound, SessionNotFound, TableNotFound
from actions.memory import MemoryStores
from tests.actions.house import Run, put


def test_the_session_of_a_call_says_who_it_is(run: Run, ctx: Context) -> None:
    assert run("session.sessionId").values == {"id": ctx.session.id, "name": "default"}


def test_a_session_is_given_a_name(run: Run, stores: MemoryStores) -> None:
    assert run("session.sessionName").values == {"name": "default"}
    assert run("session.sessionName", name="evening").values == {"name": "evening"}
    assert [each.name for each in stores.context().sessions.list("local")][:1] == ["evening"]


def test_facts_about_a_session_are_set_and_told(run: Run, stores: MemoryStores) -> None:
    assert run("session.timeout").values == {"timeout": 0}
    assert run("session.timeout", time=90).values == {"timeout": 90}
    assert run("session.setLocale", locale="de_DE").values == {"locale": "de_DE"}
    assert run("session.metrics", on=True).values == {"metrics": True}
    options = {"timeout": 90, "locale": "de_DE", "metrics": True}
    assert stores.context().session.options == options

    run("sessionProp.setSessOpt", timeout=0)

    assert "timeout" not in stores.context().session.options
    status = run("session.sessionStatus").values
    assert status["state"] == "Connected"


def test_sessions_of_the_caller_are_listed(run: Run, ctx: Context) -> None:
    ctx.sessions.create("local", "second")
    ctx.sessions.create("somebody", "hidden")

    listed = run("session.listSessions").tables["Session"].records()

    assert [row["Name"] for row in listed] == ["default", "second"]


def test_a_session_ends_with_its_tables(run: Run, ctx: Context, stores: MemoryStores) -> None:
    other = stores.context(ctx.sessions.create("local", "other"))
    put(other, "t", {"a": [1]})

    assert run("session.endSession", id=other.session.id).values == {"ended": other.session.id}

    assert stores.tables == []
    message = rf"^no session of user 'local' has the id '{other.session.id}'$"
    with pytest.raises(SessionNotFound, match=message):
        run("session.endSession", uuid=other.session.id)
    with pytest.raises(TableNotFound):
        run_action(other, "table.fetch", {"table": "t"})


def test_a_call_ends_its_own_session_unless_it_names_another(run: Run, ctx: Context) -> None:
    assert run("session.endSession").values == {"ended": ctx.session.id}


def test_the_active_caslib_is_the_one_that_is_meant(run: Run, stores: MemoryStores) -> None:
    assert run("session.setCaslib", caslib="public").values == {"caslib": "PUBLIC"}

    assert stores.context().caslibs.find(None).name == "PUBLIC"
    with pytest.raises(CaslibNotFound, match=r"^no caslib is named 'publick'; did you mean "):
        run("session.setCaslib", name="publick")
