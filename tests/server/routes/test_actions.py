import json

import httpx
import pytest

from actions.errors import StoreUnavailable
from tests.server.running import Running


def test_an_inline_action_answers_with_its_tables_values_and_messages(
    client: httpx.Client,
) -> None:
    answer = client.post("/v1/actions/trial.echo", json={"text": "héllo"})

    body = answer.json()
    session = client.get("/v1/sessions").json()["sessions"][0]["id"]
    assert answer.status_code == 200
    assert body.pop("elapsed_s") >= 0
    assert body == {
        "ok": True,
        "tables": {},
        "values": {"text": "héllo", "user": "local", "session": session},
        "messages": [{"level": "note", "text": "echoed"}],
        "job": None,
    }


def test_a_call_runs_in_the_session_its_header_names(client: httpx.Client) -> None:
    session = client.post("/v1/sessions").json()["id"]

    answer = client.post("/v1/actions/trial.echo", headers={"Castorch-Session": session})

    assert answer.json()["values"]["session"] == session


def test_an_action_is_found_without_regard_to_case_and_by_its_alias(
    working: Running,
) -> None:
    answer = working.client.post("/v1/actions/TRIAL.Fit", json={"epochs": 1, "text": "x"})

    assert answer.json()["values"]["text"] == "x"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1]", "the body got a JSON array, expected an object"),
        (b"3.5", "the body got a JSON number, expected an object"),
        (b"null", "the body got a JSON null, expected an object"),
        (
            b'{"a": 1,\n "b" 2}',
            "the body is not JSON at line 2, column 6: Expecting ':' delimiter",
        ),
        (b'{"a": "\xff"}', "the body is not JSON at byte 7: it is not UTF-8"),
        (b'{"a": NaN}', "the body holds a number that cannot be read: NaN is not a number of JSON"),
        (b"[" * 200_000, "the body is nested too deeply to be read"),
        (
            b'{"a": 1' + b"0" * 300 + b"}",
            "the body holds a number that cannot be read: it has 301 digits, expected at most 300",
        ),
        (
            rb'{"a": "\udc80"}',
            "the body has text that is not Unicode: half of a surrogate pair alone",
        ),
        (
            rb'{"\uD800": 1}',
            "the body has text that is not Unicode: half of a surrogate pair alone",
        ),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_with_the_place(
    client: httpx.Client, body: bytes, message: str
) -> None:
    answer = client.post("/v1/actions/trial.echo", content=body)

    assert answer.status_code == 400
    assert answer.json()["code"] == "params.invalid"
    assert answer.json()["message"] == message


def test_a_job_action_is_waited_for_and_answers_like_an_inline_one(working: Running) -> None:
    answer = working.client.post("/v1/actions/trial.train", json={"epochs": 2, "text": "done"})

    body = answer.json()
    assert answer.status_code == 200
    assert body["ok"] is True
    assert body["values"]["text"] == "done"
    assert body["values"]["job"] == body["job"]
    assert body["values"]["pid"] == working.resources.runner.pids[0]
    assert body["messages"] == [{"level": "warning", "text": "trained on nothing"}]


def test_a_caller_who_prefers_so_gets_the_job_and_not_its_result(working: Running) -> None:
    answer = working.client.post(
        "/v1/actions/trial.train", json={"epochs": 1}, headers={"Prefer": "respond-async"}
    )

    job = answer.json()["job"]
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["action"] == "trial.train"
    assert job["state"] == "queued"


@pytest.mark.parametrize("prefer", ["wait", "respond-async"])
def test_wrong_parameters_of_a_job_are_told_before_there_is_one(
    working: Running, prefer: str
) -> None:
    before = [job["id"] for job in working.client.get("/v1/jobs").json()["jobs"]]

    answer = working.client.post(
        "/v1/actions/trial.train", json={"epoch": 1}, headers={"Prefer": prefer}
    )

    assert answer.status_code == 400
    assert answer.json()["code"] == "params.invalid"
    assert answer.json()["details"]["nearest"] == ["epochs"]
    assert [job["id"] for job in working.client.get("/v1/jobs").json()["jobs"]] == before


def test_a_declared_failure_of_a_job_answers_with_its_own_status(working: Running) -> None:
    answer = working.client.post("/v1/actions/trial.diverge")

    body = answer.json()
    job = working.client.get(f"/v1/jobs/{body['details']['job']}").json()
    assert answer.status_code == 422
    assert body == {
        "ok": False,
        "code": "train.failed",
        "message": "loss is not finite at epoch 1, batch 2",
        "details": {"epoch": 1, "batch": 2, "job": job["id"]},
        "status": 422,
    }
    assert job["state"] == "failed"
    assert job["error"] == {
        "code": "train.failed",
        "message": "loss is not finite at epoch 1, batch 2",
        "details": {"epoch": 1, "batch": 2},
    }


def test_an_undeclared_failure_of_a_job_tells_an_id_and_not_its_text(working: Running) -> None:
    answer = working.client.post("/v1/actions/trial.crash", json={"text": "password"})

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "password" not in answer.text


def test_a_body_over_the_limit_is_refused_without_being_read(client: httpx.Client) -> None:
    limit = 32 << 20
    sent = 0

    def endless() -> object:
        nonlocal sent
        while sent < limit + (8 << 20):
            sent += 1 << 20
            yield b" " * (1 << 20)

    told = client.post("/v1/actions/trial.echo", content=b" " * (limit + 1))
    untold = client.post("/v1/actions/trial.echo", content=endless())  # type: ignore[arg-type]

    assert told.status_code == untold.status_code == 413
    assert told.json()["message"] == (
        "the body got 33554433 bytes, expected at most 33554432 bytes"
    )
    assert untold.json() == {
        "ok": False,
        "code": "request.too_large",
        "message": "the body got more than that, expected at most 33554432 bytes",
        "details": {"got": None, "limit": limit},
        "status": 413,
    }


def test_a_file_action_says_where_its_file_goes(client: httpx.Client) -> None:
    answer = client.post("/v1/actions/table.upload", content=json.dumps({}))

    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "action 'table.upload' got no file, expected one; PUT it to /v1/tables/NAME"
    )


def test_a_call_with_a_key_runs_once(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "once"}

    first = client.post("/v1/actions/trial.echo", json={"text": "x"}, headers=headers)
    again = client.post("/v1/actions/trial.echo", json={"text": "x"}, headers=headers)

    assert again.json() == first.json()
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (
        None,
        "true",
    )


def test_a_key_is_refused_for_another_body_action_or_session(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "taken"}
    session = client.post("/v1/sessions").json()["id"]
    client.post("/v1/actions/trial.echo", json={"text": "x"}, headers=headers)

    told = [
        client.post("/v1/actions/trial.echo", json={"text": "y"}, headers=headers),
        client.post("/v1/actions/trial.train", json={"text": "x"}, headers=headers),
        client.post(
            "/v1/actions/trial.echo",
            json={"text": "x"},
            headers={**headers, "Castorch-Session": session},
        ),
    ]

    assert [each.status_code for each in told] == [409, 409, 409]
    assert {each.json()["code"] for each in told} == {"request.key_reused"}
    assert told[0].json()["message"] == (
        "the idempotency key 'taken' got another call than before, expected the same action, "
        "session and body; take a new key"
    )


def test_a_call_with_a_key_that_failed_runs_again(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "fails"}

    told = [
        client.post("/v1/actions/trial.refuse", json={"text": "z"}, headers=headers)
        for _ in range(2)
    ]

    assert [each.status_code for each in told] == [404, 404]


def test_a_long_answer_is_not_kept(client: httpx.Client) -> None:
    body, headers = {"text": "x" * (1 << 20)}, {"Idempotency-Key": "long"}

    told = [client.post("/v1/actions/trial.echo", json=body, headers=headers) for _ in range(2)]

    assert [each.status_code for each in told] == [200, 200]
    assert "Idempotency-Replayed" not in told[1].headers


def test_a_job_with_a_key_is_the_same_job_however_it_is_waited_for(working: Running) -> None:
    body = {"epochs": 1, "text": "k"}
    key = {"Idempotency-Key": "a job"}

    accepted = working.client.post(
        "/v1/actions/trial.train", headers={**key, "Prefer": "respond-async"}, json=body
    ).json()["job"]["id"]
    told = [
        working.client.post("/v1/actions/trial.train", headers=key, json=body).json()
        for _ in range(2)
    ]

    assert {each["job"] for each in told} == {accepted}
    assert {each["values"]["text"] for each in told} == {"k"}


def test_a_job_that_failed_fails_again_for_its_key(working: Running) -> None:
    key = {"Idempotency-Key": "a failure"}

    told = [working.client.post("/v1/actions/trial.diverge", headers=key) for _ in range(2)]

    assert told[0].json() == told[1].json()
    assert {each.headers["Castorch-Job-State"] for each in told} == {"failed"}


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    answer = client.post("/v1/actions/trial.echo", headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert answer.json()["message"] == (
        f"the Idempotency-Key header got {len(key)} characters, expected 1 to 255 that can be shown"
    )


@pytest.mark.parametrize("priority", ["101", "-101", "high", "1.5"])
def test_a_priority_out_of_range_is_refused(client: httpx.Client, priority: str) -> None:
    answer = client.post("/v1/actions/trial.train", headers={"Castorch-Priority": priority})

    got = priority if priority in ("high", "1.5") else int(priority)
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        f"the Castorch-Priority header got {got!r}, expected a whole number from -100 to 100"
    )


def test_a_job_has_the_priority_of_its_call_or_session(client: httpx.Client) -> None:
    session = client.post("/v1/sessions", json={"priority": 3}).json()
    headers = {"Castorch-Session": session["id"], "Prefer": "respond-async"}

    own = client.post("/v1/actions/trial.train", headers=headers).json()["job"]
    said = client.post("/v1/actions/trial.train", headers={**headers, "Castorch-Priority": "-7"})

    assert session["priority"] == own["priority"] == 3
    assert said.json()["job"]["priority"] == -7
    client.delete(f"/v1/sessions/{session['id']}")


def test_a_waiting_call_bears_with_a_database_that_is_away(
    working: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = working.resources.stores.jobs
    find, looks = jobs.find, []

    def away(job_id: str, user: str) -> object:
        looks.append(job_id)
        if len(looks) == 1:
            raise StoreUnavailable("the database cannot be reached; try again later")
        return find(job_id, user)

    monkeypatch.setattr(jobs, "find", away)

    answer = working.client.post("/v1/actions/trial.train", json={"epochs": 1, "text": "x"})

    assert answer.json()["values"]["text"] == "x"


def test_a_waiting_call_is_told_when_the_database_stays_away(
    working: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(job_id: str, user: str) -> object:
        raise StoreUnavailable(f"no database for {job_id} of {user}")

    monkeypatch.setattr(working.resources.stores.jobs, "find", away)
    monkeypatch.setattr("server.routes.actions.AWAY_S", 0.0)

    answer = working.client.post("/v1/actions/trial.train", json={"epochs": 1})

    body = answer.json()
    job = body["details"]["job"]
    assert answer.status_code == 503
    assert body["message"] == (
        f"the database is away while job {job!r} runs; ask for /v1/jobs/{job} later"
    )
