import asyncio
import logging
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.errors import UnexpectedFailures
from server.middleware import EarlyAnswers, RequestIds

PIECE: Message = {"type": "http.request", "body": b"x", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"x", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


def scope(**headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/x", "headers": raw}


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without reading the body."""
    del scope, receive
    await send({"type": "http.response.start", "status": 413, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


def exchange(app: EarlyAnswers, asked: Scope, body: Sequence[Message]) -> tuple[list[Message], int]:
    """Return what was sent, and how many messages of the body were left unread."""
    sent: list[Message] = []
    left = list(body)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(asked, receive, send))
    return sent, len(left)


def test_an_early_answer_goes_out_whole_before_the_rest_is_read() -> None:
    sent, left = exchange(EarlyAnswers(refuse), scope(content_length="3"), [PIECE, PIECE, LAST])

    assert left == 0
    assert [(each.get("body"), each.get("more_body")) for each in sent[1:]] == [
        (b"no", True),
        (b"", False),
    ]


def test_reading_the_rest_ends_when_the_caller_is_gone() -> None:
    _, left = exchange(EarlyAnswers(refuse), scope(transfer_encoding="chunked"), [PIECE, GONE])

    assert left == 0


def test_reading_the_rest_ends_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.middleware.DRAIN_S", 0.01)

    with caplog.at_level(logging.INFO, logger="server.middleware"):
        sent, _ = exchange(EarlyAnswers(refuse), scope(content_length="9"), [PIECE])

    assert sent[-1]["more_body"] is False
    assert caplog.messages == ["the rest of a body was left unread"]


def test_a_request_without_a_body_is_answered_at_once() -> None:
    sent, left = exchange(EarlyAnswers(refuse), scope(), [LAST])

    assert (len(sent), left) == (2, 1)


def test_every_request_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def send(message: Message) -> None:
        del message

    async def receive() -> Message:
        return LAST

    with caplog.at_level(logging.INFO, logger="server.middleware"):
        asyncio.run(RequestIds(refuse)(scope(), receive, send))

    facts = vars(caplog.records[0])
    assert (facts["method"], facts["path"], facts["status"]) == ("POST", "/x", 413)


@pytest.mark.parametrize("around", [RequestIds, EarlyAnswers, UnexpectedFailures])
def test_what_is_no_request_passes_through(around: type[EarlyAnswers]) -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        seen.append(scope["type"])

    async def nothing(*messages: Message) -> Message:
        del messages
        return GONE

    asyncio.run(around(inner)({"type": "lifespan"}, nothing, nothing))  # type: ignore[arg-type]

    assert seen == ["lifespan"]


def test_a_failure_after_the_answer_began_cuts_the_connection() -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise OSError("the disk is gone")

    async def receive() -> Message:
        return LAST

    async def send(message: Message) -> None:
        del message

    with pytest.raises(OSError, match=r"^the disk is gone$"):
        asyncio.run(UnexpectedFailures(late)(scope(), receive, send))
