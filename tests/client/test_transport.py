import re
from collections.abc import Iterator

import httpx
import pytest

from castorch import (
    ActionFailed,
    ConnectionFailed,
    ProtocolFailed,
    StoreUnavailable,
    TableNotFound,
    TimedOut,
)
from castorch._request import Request
from castorch._transport import RetryPolicy, Transport
from tests.client.fakes import URL, FakeServer, error, stream

GET = Request("GET", "/x")
TOKEN = "abc"  # noqa: S105 - opens nothing
POST = Request("POST", "/x", body={})


def test_a_token_and_a_request_id_go_with_every_request() -> None:
    server = FakeServer({"GET /x": {}})
    transport = server.transport(token=TOKEN)

    transport.send(GET)
    transport.send(GET)

    first, second = server.requests
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert re.fullmatch("[0-9a-f]{32}", first.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_without_a_token_no_authorization_is_sent() -> None:
    server = FakeServer({"GET /x": {}})

    server.transport().send(GET)

    assert "authorization" not in server.last.headers


def test_queries_leave_out_none_and_write_truth_as_json_does() -> None:
    server = FakeServer({"GET /x": {}})

    server.transport().send(Request("GET", "/x", query={"a": None, "b": True, "c": 3, "d": "e f"}))

    assert str(server.last.url) == f"{URL}/x?b=true&c=3&d=e+f"


def test_an_error_body_becomes_its_class_with_status_and_request_id() -> None:
    server = FakeServer({"GET /x": error("table.not_found", "no table 't'", 404, table="t")})

    with pytest.raises(TableNotFound, match=r"^no table 't'$") as caught:
        server.transport().send(GET)

    assert caught.value.status == 404
    assert caught.value.request_id == "r-1"
    assert caught.value.details == {"table": "t"}


def test_an_unknown_code_keeps_it() -> None:
    server = FakeServer({"GET /x": error("new.kind", "something new")})

    with pytest.raises(ActionFailed, match=r"^something new$") as caught:
        server.transport().send(GET)

    assert caught.value.code == "new.kind"


def test_an_error_without_the_error_body_names_the_address() -> None:
    server = FakeServer({"GET /x": httpx.Response(404, text="<h1>Not here</h1>")})

    with pytest.raises(
        ProtocolFailed,
        match=(
            r"^the server answered status 404 without the error body of a castorch server; "
            rf"is {URL} its address\?$"
        ),
    ):
        server.transport().send(GET)


def test_a_redirection_is_not_followed_with_the_token() -> None:
    away = httpx.Response(302, headers={"Location": "http://elsewhere.test/"})
    server = FakeServer({"GET /x": away})

    with pytest.raises(ProtocolFailed, match=r"^the server answered status 302 "):
        server.transport(token=TOKEN).send(GET)

    assert len(server.requests) == 1


def test_an_answer_that_is_no_json_object_is_refused() -> None:
    server = FakeServer({"GET /x": httpx.Response(200, text="[1]")})

    with pytest.raises(
        ProtocolFailed,
        match=(
            r"^the server's answer \(status 200\) is not a JSON object; "
            r"is this address a castorch server\?$"
        ),
    ):
        server.transport().send(GET).json()


def test_a_safe_request_is_repeated_after_growing_pauses() -> None:
    broken = httpx.ConnectError("refused")
    server = FakeServer({"GET /x": [broken, broken, broken, {"a": 1}]})

    answer = server.transport(retries=3).send(GET)

    assert answer.json() == {"a": 1}
    assert server.clock.pauses == [0.2, 0.4, 0.8]
    assert len({request.headers["x-request-id"] for request in server.requests}) == 1


def test_after_the_last_repetition_the_failure_is_raised() -> None:
    server = FakeServer({"GET /x": httpx.ConnectError("refused")})

    with pytest.raises(ConnectionFailed, match=rf"^no connection to the server at {URL}: refused$"):
        server.transport(retries=2).send(GET)

    assert len(server.requests) == 3


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    busy = error("store.unavailable", "the database is locked", 503)
    busy.headers["Retry-After"] = "3"
    server = FakeServer({"GET /x": [busy, {}]})

    server.transport(retries=1).send(GET)

    assert server.clock.pauses == [3.0]


def test_a_server_that_stays_busy_is_told_as_it_says() -> None:
    server = FakeServer({"GET /x": lambda _: error("store.unavailable", "locked", 503)})

    with pytest.raises(StoreUnavailable, match=r"^locked$"):
        server.transport(retries=1).send(GET)


def test_a_request_that_changes_something_is_never_repeated() -> None:
    server = FakeServer({"POST /x": httpx.ConnectError("refused")})

    with pytest.raises(ConnectionFailed):
        server.transport(retries=3).send(POST)

    assert len(server.requests) == 1


def test_no_pause_is_longer_than_the_policy_allows() -> None:
    policy = RetryPolicy(retries=9, pause_s=1.0, longest_pause_s=5.0)

    assert [policy.pause_before(n) for n in (1, 2, 3, 4, 9)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert policy.pause_before(1, asked_s=60.0) == 5.0


def test_silence_is_timed_out_and_not_repeated() -> None:
    server = FakeServer({"GET /x": httpx.ReadTimeout("silence")})

    with pytest.raises(
        TimedOut, match=rf"^the server at {URL} did not answer in time \(ReadTimeout\)$"
    ):
        server.transport(retries=3).send(GET)

    assert len(server.requests) == 1


def test_only_a_request_that_waits_may_take_as_long_as_it_needs() -> None:
    server = FakeServer({"GET /x": {}, "POST /x": {}})
    transport = server.transport()

    transport.send(GET)
    transport.send(Request("POST", "/x", waits=True))

    limits = [request.extensions["timeout"]["read"] for request in server.requests]
    assert limits == [60.0, None]
    assert server.last.extensions["timeout"]["connect"] == 10.0


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        Transport(url, retry=RetryPolicy(0)).send(GET)

    assert str(caught.value) == (
        f"the address {url!r} is not one of a server; "
        "expected something like 'http://127.0.0.1:8080'"
    )


def test_an_upload_is_streamed() -> None:
    server = FakeServer({"PUT /x": {}})

    server.transport().send(Request("PUT", "/x", content=iter([b"ab", b"c"])))

    assert server.last.headers["transfer-encoding"] == "chunked"
    assert server.last.content == b"abc"


def test_a_download_gives_its_bytes_piece_by_piece() -> None:
    server = FakeServer({"GET /x": lambda _: httpx.Response(200, content=iter([b"ab", b"c"]))})

    with server.transport().download(GET) as pieces:
        assert list(pieces) == [b"ab", b"c"]


def test_a_download_that_breaks_is_told() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"ab"
        raise httpx.ReadError("cable")

    server = FakeServer({"GET /x": lambda _: httpx.Response(200, content=pieces())})

    with (
        server.transport().download(GET) as received,
        pytest.raises(ConnectionFailed, match=rf"^no connection to the server at {URL}: cable$"),
    ):
        list(received)


def test_events_are_read_behind_the_last_one_seen() -> None:
    server = FakeServer({"GET /e": stream((8, "epoch", {"epoch": 0}))})

    events = list(server.transport().events("/e", after="7"))

    assert [(event.id, event.name, event.data) for event in events] == [
        ("8", "epoch", '{"epoch": 0}')
    ]
    assert server.last.headers["last-event-id"] == "7"
    assert server.last.headers["accept"] == "text/event-stream"


def test_a_closed_transport_closes_its_connections() -> None:
    transport = FakeServer().transport()

    transport.close()

    with pytest.raises(RuntimeError, match="client has been closed"):
        transport.send(GET)


KEYED = Request("POST", "/x", body={}, waits=True, key="k1")


def test_a_request_with_a_key_is_sent_again_until_the_server_is_back() -> None:
    away = [httpx.ConnectError("refused")] * 12
    stops = error("store.unavailable", "the server stops", 503)
    server = FakeServer({"POST /x": [stops, httpx.ReadError("reset"), *away, {"a": 1}]})

    answer = server.transport().send(KEYED)

    assert answer.json() == {"a": 1}
    assert {request.headers["idempotency-key"] for request in server.requests} == {"k1"}
    assert server.clock.pauses[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


def test_a_server_that_stays_away_is_given_up_after_a_minute() -> None:
    server = FakeServer({"POST /x": httpx.ConnectError("refused")})

    with pytest.raises(ConnectionFailed, match=rf"^no connection to the server at {URL}: refused$"):
        server.transport().send(KEYED)

    assert 60 <= server.clock.time < 66


def test_a_call_that_was_waiting_for_long_has_the_whole_minute_when_its_server_goes() -> None:
    server = FakeServer()

    def break_late(request: httpx.Request) -> httpx.Response:
        server.clock.time += 3600
        raise httpx.ReadError("reset", request=request)

    server.answers["POST /x"] = [httpx.ConnectError("refused"), break_late, {"a": 1}]

    assert server.transport().send(KEYED).json() == {"a": 1}


def test_the_failure_of_a_job_is_an_answer() -> None:
    failed = error("store.unavailable", "the database was away", 503, job="j1")
    failed.headers["Castorch-Job-State"] = "failed"
    server = FakeServer({"POST /x": failed})

    with pytest.raises(StoreUnavailable, match=r"^the database was away$"):
        server.transport().send(KEYED)

    assert len(server.requests) == 1


def test_a_server_that_stays_busy_is_told_as_it_says_after_a_minute() -> None:
    server = FakeServer({"POST /x": lambda _: error("store.unavailable", "locked", 503)})

    with pytest.raises(StoreUnavailable, match=r"^locked$"):
        server.transport().send(KEYED)
