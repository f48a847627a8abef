import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from tests.server.conftest import Start
from tests.server.running import Running

ARROW = "application/vnd.apache.arrow.stream"
CSV = b"x,name\n1,ann\n2,bob\n,\n4,dan\n"


@pytest.fixture
def people(client: httpx.Client) -> str:
    name = "people"
    answer = client.put(f"/v1/tables/{name}", params={"replace": True}, content=CSV)
    assert answer.status_code == 201
    return name


def spooled(running: Running) -> list[Path]:
    return list(running.resources.spool.folder.iterdir())


def as_stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_an_upload_answers_with_the_table_it_made(served: Running) -> None:
    answer = served.client.put(
        "/v1/tables/fresh", content=CSV, headers={"Content-Type": "text/csv"}
    )

    body = answer.json()
    made = body["tables"]["OutputCasTables"]
    record = dict(zip([c["name"] for c in made["columns"]], made["rows"][0], strict=True))
    assert answer.status_code == 201
    assert (body["ok"], body["job"]) == (True, None)
    assert (record["Name"], record["Rows"], record["Columns"]) == ("fresh", 4, 2)
    assert spooled(served) == []


@pytest.mark.parametrize(
    ("query", "content_type", "content"),
    [
        ({"fileType": "csv"}, "application/octet-stream", b"x\n1\n2\n"),
        ({}, "text/csv; charset=utf-8", b"x\n1\n2\n"),
        ({}, "application/x-ndjson", b'{"x": 1}\n{"x": 2}\n'),
        ({}, "application/json", b'[{"x": 1}, {"x": 2}]'),
        ({}, ARROW, as_stream(pa.table({"x": [1, 2]}))),
        ({"importOptions": '{"delimiter": ";"}', "fileType": "csv"}, "", b"x;y\n1;0\n2;0\n"),
    ],
)
def test_what_a_file_is_follows_from_the_query_or_the_content_type(
    client: httpx.Client, query: dict[str, str], content_type: str, content: bytes
) -> None:
    answer = client.put(
        "/v1/tables/kinds",
        params={"replace": "true", **query},
        content=content,
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 201, answer.text

    rows = client.get("/v1/tables/kinds/rows", params={"columns": "x"}).json()["rows"]

    assert rows == [[1], [2]]


def test_a_parquet_file_is_read(client: httpx.Client) -> None:
    sink = io.BytesIO()
    parquet.write_table(pa.table({"x": [1.5, None]}), sink)

    client.put("/v1/tables/pq", content=sink.getvalue(), params={"fileType": "parquet"})

    assert client.get("/v1/tables/pq/rows").json()["rows"] == [[1.5], [None]]


def test_a_name_that_is_taken_is_a_conflict_unless_it_is_to_be_replaced(
    client: httpx.Client, people: str
) -> None:
    refused = client.put(f"/v1/tables/{people}", content=b"x\n1\n")
    replaced = client.put(f"/v1/tables/{people}", content=b"x\n1\n", params={"replace": "true"})

    assert (refused.status_code, refused.json()["code"]) == (409, "table.exists")
    assert replaced.status_code == 201


def test_a_broken_file_leaves_nothing_behind(served: Running) -> None:
    answer = served.client.put(
        "/v1/tables/broken", content=b"PAR1 and then nonsense", params={"fileType": "parquet"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "file.invalid")
    assert served.client.get("/v1/tables/broken/rows").status_code == 404
    assert spooled(served) == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"importOptions": "["}, "parameter 'importOptions' is not JSON at line 1, column 2"),
        ({"importOptions": "1"}, "parameter 'importOptions' got a JSON number, expected an object"),
        ({"replcae": "true"}, "parameter 'replcae' got 'true': extra inputs are not permitted"),
        ({"promote": "maybe"}, "parameter 'promote' got 'maybe': input should be a valid boolean"),
    ],
)
def test_a_wrong_query_of_an_upload_is_told_by_name(
    client: httpx.Client, query: dict[str, str], message: str
) -> None:
    answer = client.put("/v1/tables/t", params=query, content=CSV)

    assert (answer.status_code, answer.json()["code"]) == (400, "params.invalid")
    assert answer.json()["message"].startswith(message)


def test_an_upload_over_its_limit_is_refused_and_leaves_nothing(start: Start) -> None:
    running = start(max_upload_bytes=1000)

    answer = running.client.put("/v1/tables/big", content=(b"x" * 600 for _ in range(2)))

    assert answer.status_code == 413
    assert answer.json()["message"] == "the body got more than that, expected at most 1000 bytes"
    assert spooled(running) == []


def test_a_caller_who_goes_away_while_sending_leaves_nothing(served: Running) -> None:
    place = urlsplit(served.url)
    with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
        connection.sendall(b"PUT /v1/tables/half HTTP/1.1\r\nHost: localhost\r\n")
        connection.sendall(b"Content-Length: 9000000\r\n\r\n" + b"x" * 2_000_000)
        deadline = time.monotonic() + 10
        while not spooled(served):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    while spooled(served):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert served.client.get("/v1/tables/half/rows").status_code == 404


def test_rows_come_as_a_page_of_json(client: httpx.Client, people: str) -> None:
    body = client.get(f"/v1/tables/{people}/rows").json()

    assert [(column["name"], column["type"]) for column in body["columns"]] == [
        ("x", "int64"),
        ("name", "string"),
    ]
    assert body["rows"][:2] == [[1, "ann"], [2, "bob"]]
    assert len(body["rows"]) == 4
    assert (body["from"], body["to"]) == (0, 4)


def test_a_page_has_the_rows_columns_and_order_asked_for(client: httpx.Client, people: str) -> None:
    query = {"columns": "name, x", "where": "x > 1", "orderBy": "x desc", "from": "0", "to": "1"}

    body = client.get(f"/v1/tables/{people}/rows", params=query).json()

    assert body["rows"] == [["dan", 4]]
    assert (body["from"], body["to"]) == (0, 1)


def test_a_page_has_a_longest_length(
    client: httpx.Client, people: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.routes.tables.JSON_ROWS", 2)

    body = client.get(f"/v1/tables/{people}/rows", params={"from": "1", "to": "1000000"}).json()

    assert (body["from"], body["to"]) == (1, 3)


def test_rows_come_as_an_arrow_stream(client: httpx.Client, people: str) -> None:
    answer = client.get(
        f"/v1/tables/{people}/rows", params={"where": "x >= 2"}, headers={"Accept": ARROW}
    )

    assert answer.headers["Content-Type"] == ARROW
    assert ipc.open_stream(answer.content).read_all().to_pydict() == {
        "x": [2, 4],
        "name": ["bob", "dan"],
    }


def test_rows_come_as_csv(client: httpx.Client, people: str) -> None:
    answer = client.get(
        f"/v1/tables/{people}/rows",
        params={"orderBy": "name desc", "to": "2"},
        headers={"Accept": "text/csv, */*;q=0.1"},
    )

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text == '"x","name"\n4,"dan"\n2,"bob"\n'


@pytest.mark.parametrize("accept", ["application/json", ARROW, "text/csv"])
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"columns": "z"}, 404, "column.not_found"),
        ({"where": "x >"}, 400, "expression.invalid"),
        ({"orderBy": "z"}, 404, "column.not_found"),
        ({"caslib": "nowhere"}, 404, "caslib.not_found"),
        ({"from": "-1"}, 400, "params.invalid"),
        ({"limit": "5"}, 400, "params.invalid"),
    ],
)
def test_what_cannot_be_read_is_told_before_any_row(
    client: httpx.Client, people: str, query: dict[str, str], status: int, code: str, accept: str
) -> None:
    answer = client.get(f"/v1/tables/{people}/rows", params=query, headers={"Accept": accept})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_large_table_goes_up_and_down_as_it_is(client: httpx.Client) -> None:
    table = pa.table({"n": range(300_000), "half": [n / 2 for n in range(300_000)]})
    stream = as_stream(table)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(stream), 65536):
            yield stream[at : at + 65536]

    client.put("/v1/tables/large", content=pieces(), headers={"Content-Type": ARROW})
    answer = client.get("/v1/tables/large/rows", headers={"Accept": ARROW})

    assert ipc.open_stream(answer.content).read_all().equals(table)


def test_tables_are_listed_by_name_a_page_at_a_time(start: Start) -> None:
    client = start().client
    for name in ("b", "A", "c"):
        client.put(f"/v1/tables/{name}", content=b"x\n1\n")

    page = client.get("/v1/tables", params={"limit": 2}).json()
    rest = client.get("/v1/tables", params={"limit": 2, "cursor": page["cursor"]}).json()

    assert [each["name"] for each in page["tables"]] == ["A", "b"]
    assert [each["name"] for each in rest["tables"]] == ["c"]
    assert rest["cursor"] is None
    assert page["tables"][0]["kind"] == "data"
    assert page["tables"][0]["rows"] == 1


def test_tables_of_a_session_are_not_seen_from_another(client: httpx.Client) -> None:
    one, two = (client.post("/v1/sessions").json()["id"] for _ in range(2))
    mine = {"Castorch-Session": one}
    client.put("/v1/tables/private", content=CSV, headers=mine)

    assert client.get("/v1/tables/private/rows", headers=mine).status_code == 200
    assert (
        client.get("/v1/tables/private/rows", headers={"Castorch-Session": two}).status_code == 404
    )
    client.delete(f"/v1/sessions/{one}")
    gone = client.get("/v1/tables/private/rows", headers=mine)
    assert (gone.status_code, gone.json()["code"]) == (404, "session.not_found")
