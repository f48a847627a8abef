import httpx
import pytest


def test_a_session_is_opened_found_listed_and_ended(client: httpx.Client) -> None:
    opened = client.post("/v1/sessions", json={"name": "work"})
    session = opened.json()
    path = f"/v1/sessions/{session['id']}"

    assert opened.status_code == 201
    assert (session["name"], session["user"], session["caslib"]) == ("work", "local", "CASUSER")
    assert client.get(path).json()["id"] == session["id"]
    assert session["id"] in [each["id"] for each in client.get("/v1/sessions").json()["sessions"]]
    assert client.delete(path).json() == {"ok": True}
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_a_session_without_a_name_is_called_session(client: httpx.Client) -> None:
    assert client.post("/v1/sessions").json()["name"] == "session"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"nmae": "x"}, "parameter 'nmae' is unknown, expected 'name' or 'priority'"),
        ({"name": 5}, "parameter 'name' got 5, expected text of at most 256 characters"),
    ],
)
def test_a_wrong_session_is_refused(
    client: httpx.Client, body: dict[str, object], message: str
) -> None:
    answer = client.post("/v1/sessions", json=body)

    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_a_job_of_an_ended_session_is_cancelled(client: httpx.Client) -> None:
    session = client.post("/v1/sessions").json()["id"]
    headers = {"Castorch-Session": session, "Prefer": "respond-async"}
    job = client.post("/v1/actions/trial.train", headers=headers).json()["job"]

    client.delete(f"/v1/sessions/{session}")

    assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
