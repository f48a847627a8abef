import re
from base64 import b64encode

import httpx
import pytest

from actions.errors import NotAuthenticated, NotPermitted
from server.auth import LOCAL_USER, Gate
from tests.server.conftest import Start
from tests.server.running import Running


class Known:
    """Tokens by their text."""

    def __init__(self, **users: str) -> None:
        self._users = users

    def any(self) -> bool:
        return bool(self._users)

    def user_of(self, token: str) -> str | None:
        return self._users.get(token)


def basic(name: str, token: str) -> str:
    """Return an Authorization header of the scheme Basic."""
    return "Basic " + b64encode(f"{name}:{token}".encode()).decode()


def test_without_tokens_this_machine_is_the_local_user() -> None:
    gate = Gate(Known(), is_loopback=True)

    assert gate.caller({"host": "127.0.0.1:8080"}) == LOCAL_USER
    assert gate.caller({"host": "localhost"}) == LOCAL_USER
    assert gate.caller({"host": "[::1]:80", "origin": "http://localhost:3000"}) == LOCAL_USER


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("host", "rebound.example:8080"),
        ("host", "192.0.2.7"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("host", "[::1"),
    ],
)
def test_without_tokens_a_page_of_another_site_is_refused(header: str, value: str) -> None:
    message = (
        f"the {header.title()} header got {value!r}, expected this machine; "
        "a server without tokens answers only to local programs"
    )

    with pytest.raises(NotPermitted, match=f"^{re.escape(message)}$"):
        Gate(Known(), is_loopback=True).caller({header: value})


def test_without_tokens_a_server_of_the_network_serves_nobody() -> None:
    message = "^the server has no tokens yet and serves nobody but this machine$"

    with pytest.raises(NotAuthenticated, match=message):
        Gate(Known(), is_loopback=False).caller({})


def test_a_token_names_its_user_from_anywhere() -> None:
    gate = Gate(Known(word="ann"), is_loopback=False)

    assert gate.caller({"authorization": "Bearer word", "host": "example.org"}) == "ann"
    assert gate.caller({"authorization": "bearer  word "}) == "ann"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "the request got no token, expected 'Authorization: Bearer TOKEN'"),
        ("Bearer", "the request got no token, expected 'Authorization: Bearer TOKEN'"),
        ("Bearer guess", "the token of the request is unknown"),
        (
            "Digest x",
            (
                "the Authorization header got the scheme 'Digest', expected 'Bearer TOKEN', or "
                "'Basic' with a user's name and token"
            ),
        ),
        (
            "Basic !",
            "the Authorization header got Basic credentials that are not NAME:TOKEN in base64",
        ),
        (basic("ann", "guess"), "the token of the request is unknown"),
        (basic("ann", ""), "the request got no token, expected 'Authorization: Bearer TOKEN'"),
        (basic("bob", "word"), "the token of the request is not one of user 'bob'"),
    ],
)
def test_a_missing_or_wrong_token_is_refused(value: str, message: str) -> None:
    with pytest.raises(NotAuthenticated, match=f"^{re.escape(message)}$"):
        Gate(Known(word="ann"), is_loopback=True).caller({"authorization": value})


def test_a_name_and_a_token_are_as_good_as_the_token() -> None:
    gate = Gate(Known(word="ann"), is_loopback=False)

    assert gate.caller({"authorization": basic("ann", "word")}) == "ann"
    assert gate.caller({"authorization": basic("", "word")}) == "ann"


def test_without_tokens_any_name_of_basic_credentials_is_taken() -> None:
    gate = Gate(Known(), is_loopback=True)

    assert gate.caller({"authorization": basic("bob", "anything")}) == "bob"
    assert gate.caller({"authorization": basic("", "anything")}) == LOCAL_USER


def test_a_server_of_the_network_does_not_start_without_tokens() -> None:
    message = (
        "the server is to listen beyond this machine and has no tokens; make one with "
        "'castorch token add NAME', or listen on 127.0.0.1"
    )

    with pytest.raises(NotPermitted, match=f"^{re.escape(message)}$"):
        Gate(Known(), is_loopback=False).check_start()
    Gate(Known(), is_loopback=True).check_start()
    Gate(Known(word="ann"), is_loopback=False).check_start()


@pytest.fixture
def shared(start: Start) -> Running:
    return start()


def calling(running: Running, user: str) -> httpx.Client:
    token = running.resources.stores.tokens.add(user)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=running.url, headers=headers, trust_env=False)


def test_sessions_and_jobs_of_another_user_are_not_found(shared: Running) -> None:
    with calling(shared, "ann") as ann, calling(shared, "bob") as bob:
        session = ann.post("/v1/sessions").json()["id"]
        job = ann.post("/v1/actions/trial.train", headers={"Prefer": "respond-async"}).json()["job"]

        assert bob.get(f"/v1/sessions/{session}").status_code == 404
        assert bob.delete(f"/v1/sessions/{session}").status_code == 404
        assert bob.get(f"/v1/jobs/{job['id']}").status_code == 404
        assert bob.delete(f"/v1/jobs/{job['id']}").status_code == 404
        assert bob.get("/v1/jobs").json()["jobs"] == []
        inside = bob.post("/v1/actions/trial.echo", headers={"Castorch-Session": session})
        assert (inside.status_code, inside.json()["code"]) == (404, "session.not_found")
        assert ann.get(f"/v1/sessions/{session}").status_code == 200


def test_once_there_is_a_token_nobody_gets_in_without_one(shared: Running) -> None:
    assert shared.client.get("/v1/jobs").status_code == 200

    shared.resources.stores.tokens.add("ann")

    assert shared.client.get("/v1/jobs").status_code == 401
    assert shared.client.get("/healthz").status_code == 200


def test_a_refused_upload_is_answered_while_it_is_still_being_sent(shared: Running) -> None:
    shared.resources.stores.tokens.add("ann")
    pieces = (b"x" * 65536 for _ in range(1000))

    answer = shared.client.post("/v1/actions/trial.echo", content=pieces)

    assert answer.status_code == 401
