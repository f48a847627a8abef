import time
from pathlib import Path
from threading import Thread

import httpx
import pytest

from server.store import SqlStores
from tests.server.conftest import Start
from tests.server.running import START_S, Running, running, settings_in


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


def test_whoever_waits_while_the_server_stops_is_told_where_to_ask_later(
    tmp_path: Path, trials: None
) -> None:
    del trials
    answers: list[httpx.Response] = []

    with running(settings_in(tmp_path)) as served:
        url = f"{served.url}/v1/actions/trial.train"
        waiting = Thread(
            target=lambda: answers.append(httpx.post(url, timeout=START_S, trust_env=False))
        )
        waiting.start()
        deadline = time.monotonic() + START_S
        while not served.resources.signals.followers:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        job = served.client.get("/v1/jobs").json()["jobs"][0]["id"]
    waiting.join()

    assert answers[0].status_code == 503
    assert answers[0].json()["message"] == (
        f"the server stops while job {job!r} runs; ask for /v1/jobs/{job} later"
    )


def test_a_job_whose_worker_died_without_a_server_fails_under_the_next(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, job_lease_s=0.01)
    stores = SqlStores.open(settings.database, data=tmp_path)
    job = stores.jobs.submit("trial.train", {}, stores.sessions.default("local"))
    stores.jobs.claim("a worker that died")
    stores.close()

    with running(settings) as served:
        deadline = time.monotonic() + START_S
        while (found := served.client.get(f"/v1/jobs/{job.id}").json())["state"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    assert found["state"] == "failed"
    assert found["error"]["message"] == (
        "the worker 'a worker that died' has not been heard of for 0.01 s"
    )


def test_a_sweep_ends_what_nobody_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.wiring.SWEEP_S", 0.01)
    monkeypatch.setattr("server.wiring.SWEEPS_A_COLLECTION", 1)

    with running(settings_in(tmp_path, session_idle_s=0.001)) as served:
        session = served.client.post("/v1/sessions").json()["id"]
        deadline = time.monotonic() + START_S
        while served.client.get("/v1/sessions").json()["sessions"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)

        assert served.client.get(f"/v1/sessions/{session}").status_code == 404
