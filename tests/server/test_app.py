import httpx

from tests.server.conftest import Start
from tests.server.running import Running


def test_a_server_answers_that_it_lives_and_that_it_is_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "version": "0.1.0"}
    assert client.get("/readyz").json() == {
        "status": "ready",
        "version": "0.1.0",
        "workers": {"ready": 0, "of": 0},
    }


def test_every_answer_has_a_request_id_and_a_callers_own_is_kept(client: httpx.Client) -> None:
    given = client.get("/healthz").headers["X-Request-Id"]
    own = client.get("/healthz", headers={"X-Request-Id": "run-7.a_b"})
    strange = client.get("/healthz", headers={"X-Request-Id": "x" * 65})

    assert len(given) == 32
    assert own.headers["X-Request-Id"] == "run-7.a_b"
    assert len(strange.headers["X-Request-Id"]) == 32


def test_what_was_made_is_there_after_a_restart(start: Start) -> None:
    first: Running = start()
    made = first.client.post("/v1/sessions", json={"name": "lasting"}).json()

    second: Running = start()

    assert second.client.get(f"/v1/sessions/{made['id']}").json()["name"] == "lasting"
