"""swat connects, names its session, and learns what can be called."""

from typing import Any

import pytest
import swat
from swat.exceptions import SWATError

from tests.clients.conftest import Connect


def test_a_connection_opens_a_session_and_names_it(cas: Any) -> None:
    name, session = cas._name, cas._session

    answer = cas.listsessions()

    rows = answer["Session"]
    assert rows.loc[rows["UUID"] == session, "Name"].tolist() == [name]


def test_the_user_is_who_the_basic_credentials_say(connect: Connect) -> None:
    assert connect(username="bob").userinfo()["userInfo"]["userId"] == "bob"


def test_a_bearer_token_is_taken(connect: Connect) -> None:
    assert connect(username=None, password="a token").userinfo()["userInfo"]["userId"] == "local"


def test_the_server_says_what_it_is(cas: Any) -> None:
    about = cas.about()["About"]

    assert about["CAS"] == "castorch"
    assert about["System"]["OS Family"].startswith("LIN")
    assert cas.serverstatus()["server"]["nodes"].tolist() == [1]


def test_a_session_is_taken_up_again_by_its_id(connect: Connect) -> None:
    first = connect()

    second = connect(session=first._session)

    assert second._session == first._session


def test_a_session_that_ended_is_told_to_be_gone(connect: Connect, url: str) -> None:
    cas = connect()
    session = cas._session
    cas.endsession()

    with pytest.raises(SWATError, match=f"no session of user 'ann' has the id '{session}'"):
        swat.CAS(url, username="ann", password="x", session=session)
    cas.close()


def test_sets_are_loaded_once_and_their_actions_can_be_called(
    cas: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cas.queryactionset("deepLearn") == {"deepLearn": False}

    loaded = cas.loadactionset("deeplearn")

    assert loaded == {"actionset": "deepLearn"}
    assert capfd.readouterr().out == "NOTE: Added action set 'deepLearn'.\n"
    assert cas.queryactionset("deeplearn") == {"deeplearn": True}
    assert cas.deeplearn.buildmodel(model="m").severity == 0
    assert "addLayer" in cas.listactions("deepLearn")["deepLearn"]["name"].tolist()


def test_reflection_gives_every_layer_type_with_its_options(cas: Any) -> None:
    cas.loadactionset("deepLearn")

    answer = cas.retrieve("builtins.reflect", action="addLayer", actionset="deepLearn")

    layer = next(p for p in answer[0]["actions"][0]["params"] if p["name"] == "layer")
    assert layer["alternatives"][0]["name"] == "input"
    assert "normStds" in [each["name"] for each in layer["alternatives"][0]["parmList"]]


@pytest.mark.complains
def test_an_unknown_set_is_refused_with_the_nearest_one(
    cas: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = cas.loadactionset("deepLern")

    message = "no action set is named 'deepLern'; did you mean 'deepLearn'?"
    assert (answer.severity, answer.reason, answer.status) == (2, "abort", message)
    assert f"ERROR: {message}" in capfd.readouterr().out


def test_options_of_a_session_are_set_and_got(cas: Any) -> None:
    cas.sessionprop.setsessopt(messagelevel="error")

    assert cas.sessionprop.getsessopt("messagelevel") == {"messageLevel": "ERROR"}
    assert cas.getsessopt("caslib")["caslib"] == "CASUSER"
