"""The protocol as it goes over the wire, without any client's help."""

import io
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pytest
from pyarrow import ipc

from tests.server.conftest import Start
from tests.server.running import START_S, Running


@pytest.fixture
def session(client: httpx.Client) -> str:
    return str(client.put("/cas/sessions").json()["session"])


def call(client: httpx.Client, session: str, name: str, /, **params: Any) -> dict[str, Any]:
    answer = client.post(f"/cas/sessions/{session}/actions/{name}", json=params)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_a_session_is_opened_looked_at_listed_and_ended(client: httpx.Client) -> None:
    session = client.put("/cas/sessions", params={"locale": "fr_FR"}).json()["session"]

    shown = client.get(f"/cas/sessions/{session}")
    assert shown.headers["connection"] == "close"
    assert shown.json() == {
        "uuid": session,
        "name": "cas",
        "owner": "local",
        "state": "Connected",
        "isIdle": True,
    }
    assert shown.json() in client.get("/cas/sessions").json()
    locale = call(client, session, "getSessOpt", name="locale")
    assert locale["results"] == {"locale": "fr_FR"}

    assert client.delete(f"/cas/sessions/{session}").json() == {}
    gone = client.get(f"/cas/sessions/{session}")
    assert gone.status_code == 404
    assert gone.json() == {
        "httpStatusCode": 404,
        "error": f"no session of user 'local' has the id '{session}'",
        "details": "",
        "code": "session.not_found",
    }


def test_the_server_is_found_before_there_is_a_session(client: httpx.Client) -> None:
    assert client.get("/cas").json()["name"] == "castorch"


def test_an_action_is_called_by_any_spelling_of_its_name(
    client: httpx.Client, session: str
) -> None:
    answer = call(client, session, "TRIAL.Echo", TEXT="héllo", _messagelevel="error")

    assert answer["results"] == {"text": "héllo", "user": "local", "session": session}
    assert answer["logEntries"] == []


def test_an_unknown_parameter_is_a_warning(client: httpx.Client, session: str) -> None:
    answer = call(client, session, "trial.echo", text="x", colour=1)

    assert answer["disposition"]["severity"] == "Warning"
    assert [each["message"] for each in answer["logEntries"]] == [
        "WARNING: parameter 'colour' is unknown and was ignored",
        "NOTE: echoed",
    ]


def test_an_unknown_parameter_of_a_job_is_a_warning(working: Running) -> None:
    client = working.client
    session = client.put("/cas/sessions").json()["session"]

    answer = call(client, session, "trial.fit", epochs=1, message_level="note")

    messages = [each["message"] for each in answer["logEntries"]]
    assert "WARNING: parameter 'message_level' is unknown and was ignored" in messages
    assert answer["results"]["job"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trial.refuse", "no column is named ''"),
        ("qqq.zzz", "no action is named 'qqq.zzz'"),
        ("table.upload", "action 'table.upload' got no file, expected one; send it with PUT"),
    ],
)
def test_a_failed_action_is_an_envelope(
    client: httpx.Client, session: str, name: str, message: str
) -> None:
    answer = call(client, session, name)

    assert answer["disposition"]["severity"] == "Error"
    assert answer["disposition"]["formattedStatus"] == message
    assert answer["results"] == {}


def test_a_failure_nobody_declared_keeps_its_secrets(client: httpx.Client, session: str) -> None:
    answer = call(client, session, "trial.explode", text="the key")

    told = answer["disposition"]["formattedStatus"]
    assert told.startswith("the server failed in an unexpected way; its log has the entry ")
    assert "the key" not in json.dumps(answer)


def test_a_failed_job_tells_its_error(working: Running) -> None:
    session = working.client.put("/cas/sessions").json()["session"]

    answer = call(working.client, session, "trial.diverge")

    assert answer["disposition"]["formattedStatus"] == "loss is not finite at epoch 1, batch 2"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nonsense", "the body is not JSON at line 1, column 1: Expecting value"),
        (b"[1]", "the body got a JSON array, expected an object"),
        (b'{"a": "\xff"}', "the body is not JSON at byte 7: it is not UTF-8"),
    ],
)
def test_a_body_that_is_no_json_is_an_error_of_the_dialect(
    client: httpx.Client, session: str, body: bytes, message: str
) -> None:
    answer = client.post(f"/cas/sessions/{session}/actions/trial.echo", content=body)

    assert (answer.status_code, answer.json()["error"]) == (400, message)


def test_numbers_that_json_has_not_are_taken_from_clients(
    client: httpx.Client, session: str
) -> None:
    body = b'{"text": "x", "pause_s": NaN, "epochs": 3}'

    answer = client.post(f"/cas/sessions/{session}/actions/trial.echo", content=body)

    assert answer.json()["disposition"]["severity"] == "Normal"


def upload(client: httpx.Client, session: str, header: str, body: bytes) -> dict[str, Any]:
    path = f"/cas/sessions/{session}/actions/table.upload"
    found: dict[str, Any] = client.put(
        path, content=body, headers={"JSON-Parameters": header}
    ).json()
    return found


def test_a_file_is_uploaded_with_its_parameters_in_a_header(
    client: httpx.Client, session: str
) -> None:
    header = '{"casout": {"name": "tt"}, "importoptions": {"filetype": "csv"}}'

    answer = upload(client, session, header, b"x,c\n1.5,a\n")

    assert answer["results"]["tableName"] == "tt"
    rows = call(client, session, "table.fetch", table="TT")["results"]["Fetch"]["rows"]
    assert rows == [[1.5, "a"]]


@pytest.mark.parametrize(
    ("wanted", "header", "message"),
    [
        ("", "{", "the header JSON-Parameters is not JSON at line 1, column 2: "),
        ("", "{}", "parameter 'casOut' is required"),
        ("unknown", "{}", "no session of user 'local' has the id 'unknown'"),
    ],
)
def test_an_upload_that_fails_is_an_envelope_whatever_happens(
    client: httpx.Client, session: str, wanted: str, header: str, message: str
) -> None:
    answer = upload(client, wanted or session, header, b"x\n1\n")

    assert answer["disposition"]["severity"] == "Error"
    assert answer["disposition"]["formattedStatus"].startswith(message)


def test_a_half_sent_upload_leaves_nothing(served: Running, session: str) -> None:
    host, port = urlsplit(served.url).hostname, urlsplit(served.url).port
    head = (
        f"PUT /cas/sessions/{session}/actions/table.upload HTTP/1.1\r\nHost: {host}\r\n"
        'JSON-Parameters: {"casout": "half"}\r\nContent-Length: 1000\r\n\r\nx,y\r\n1,'
    )
    with socket.create_connection((str(host), int(port or 0))) as connection:
        connection.sendall(head.encode())

    deadline = time.monotonic() + START_S
    while not served.client.get(f"/cas/sessions/{session}").json()["isIdle"]:
        assert time.monotonic() < deadline
    exists = call(served.client, session, "table.tableExists", name="half")
    assert exists["results"] == {"exists": 0}
    assert list(served.resources.spool.folder.iterdir()) == []


def test_a_get_that_announces_a_body_is_answered_and_closed(served: Running, session: str) -> None:
    host, port = urlsplit(served.url).hostname, urlsplit(served.url).port
    request = f"GET /cas/sessions/{session} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 44\r\n\r\n"
    with socket.create_connection((str(host), int(port or 0)), timeout=5) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b'"isIdle":true}')


def test_the_last_answer_can_be_fetched_again(client: httpx.Client, session: str) -> None:
    first = call(client, session, "trial.echo", text="once")
    call(client, session, "builtins.ping", _apptag="UI")

    listed = client.post(f"/cas/sessions/{session}/actions/session.listresults", content=b"")
    answer_id = listed.json()["results"]["Queued Results"]["rows"][0][0]

    assert isinstance(answer_id, int)
    assert call(client, session, "session.listresults", id=answer_id) == first
    assert call(client, session, "session.fetchResult", id=answer_id) == first
    wrong = call(client, session, "session.fetchresult", id=1)
    assert wrong["disposition"]["formattedStatus"] == (
        "parameter 'id' got 1, expected the id of an answer that listResults tells"
    )


def test_a_session_without_answers_lists_none(client: httpx.Client, session: str) -> None:
    assert call(client, session, "listResults")["results"]["Queued Results"]["rows"] == []


def test_a_client_that_goes_away_in_mid_training_gets_the_answer_later(working: Running) -> None:
    client = working.client
    session = client.put("/cas/sessions").json()["session"]
    host, port = urlsplit(working.url).hostname, urlsplit(working.url).port
    body = b'{"epochs": 2, "pause_s": 0.3, "text": "kept"}'
    head = (
        f"POST /cas/sessions/{session}/actions/trial.train HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((str(host), int(port or 0))) as connection:
        connection.sendall(head.encode() + body)
        deadline = time.monotonic() + START_S
        while client.get(f"/cas/sessions/{session}").json()["isIdle"]:
            assert time.monotonic() < deadline

    while not client.get(f"/cas/sessions/{session}").json()["isIdle"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    listed = call(client, session, "session.listresults")["results"]["Queued Results"]
    answer = call(client, session, "session.listresults", id=listed["rows"][0][0])

    assert listed["rows"][0][1] == "trial.train"
    assert answer["results"]["text"] == "kept"
    assert "WARNING: trained on nothing" in [each["message"] for each in answer["logEntries"]]


def test_the_answer_of_a_job_outlives_the_server(start: Start) -> None:
    first = start(workers=1, heartbeat_s=0.2)
    session = first.client.put("/cas/sessions").json()["session"]
    trained = call(first.client, session, "trial.train", epochs=1, text="kept")
    second = start(workers=0)

    listed = call(second.client, session, "session.listresults")["results"]["Queued Results"]
    answer = call(second.client, session, "session.fetchresult", id=listed["rows"][0][0])

    assert answer["results"] == trained["results"]


def test_nobody_gets_in_without_a_token_once_there_is_one(start: Start) -> None:
    running = start()
    token = running.resources.stores.tokens.add("ann")

    refused = running.client.put("/cas/sessions")
    taken = running.client.put("/cas/sessions", auth=("ann", token))

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="castorch", Bearer'
    assert refused.json()["error"].startswith("the request got no token, expected ")
    assert len(taken.json()["session"]) == 32


def test_bytes_come_and_go_as_blobs(client: httpx.Client, session: str) -> None:
    table = pa.table({"_index_": [0], "_state_": pa.array([b"abc"], pa.binary())})
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    query = {"fileType": "arrow", "promote": "true", "caslib": "PUBLIC", "replace": "true"}
    client.put("/v1/tables/kept", params=query, content=sink.getvalue()).raise_for_status()

    got = call(client, session, "astore.download", rstore={"name": "kept", "caslib": "PUBLIC"})
    sent = call(
        client,
        session,
        "astore.upload",
        rstore="new",
        store={"_blob": True, "data": "YWJj", "length": 3},
    )

    assert got["results"] == {"blob": {"data": "YWJj", "length": 3}}
    assert sent["disposition"]["formattedStatus"] == "the store ends after 3 bytes, expected 8"
