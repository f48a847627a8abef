"""What happens around every request: its id, its log line, and the rest of its body."""

import asyncio
import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.logs import REQUEST

LOG = logging.getLogger(__name__)

HEADER = "X-Request-Id"

DRAIN_S = 10.0
"""Longest time the rest of a refused body is read and thrown away, in seconds."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives every request an id, in its answer and in the log; a caller may bring their own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        brought = Headers(scope=scope).get(HEADER, "")
        request_id = brought if _ID.fullmatch(brought) else uuid4().hex
        started, status = time.monotonic(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = REQUEST.set(request_id)
        try:
            await self.app(scope, receive, named)
        finally:
            seconds = round(time.monotonic() - started, 4)
            facts = {"method": scope["method"], "path": scope["path"], "status": status}
            LOG.info("request", extra={**facts, "seconds": seconds})
            REQUEST.reset(token)


class EarlyAnswers:
    """Lets an answer reach a caller who is still sending.

    Closing a connection with unread bytes in it resets it, and the caller may lose the answer that
    was on its way. So the answer goes out whole, the rest of the body is read and thrown away for
    a while, and only then the exchange ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        is_read = False

        async def watched() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body", False)
            return message

        async def finish(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and not is_read:
                await send({**message, "more_body": True})
                await drain()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        async def drain() -> None:
            try:
                async with asyncio.timeout(DRAIN_S):
                    while not is_read:
                        await watched()
            except TimeoutError:
                LOG.info("the rest of a body was left unread")

        await self.app(scope, watched, finish)


def _has_body(scope: Scope) -> bool:
    """Tell whether a request has a body; a GET may announce one and have none."""
    headers = Headers(scope=scope)
    if scope["method"] in ("GET", "HEAD"):
        return False
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
