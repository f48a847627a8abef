import asyncio
import re
import socket
from collections.abc import Callable, Sequence
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.joined_writes import JOINED_BYTES, JoinedProtocol, JoinedTransport


class Wire:
    """A transport that keeps what it is asked to do."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, piece: bytes) -> None:
        self.writes.append(piece)

    def close(self) -> None:
        self.closed_after = len(self.writes)

    def is_closing(self) -> bool:
        return self.closed_after is not None


def written(work: Callable[[JoinedTransport], None]) -> Wire:
    wire = Wire()

    async def turn() -> None:
        transport = cast("asyncio.Transport", wire)
        work(JoinedTransport(transport, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(turn())
    return wire


def put(*pieces: bytes) -> Callable[[JoinedTransport], None]:
    def work(joined: JoinedTransport) -> None:
        for piece in pieces:
            joined.write(piece)

    return work


def test_head_and_body_leave_in_one_write() -> None:
    assert written(put(b"head", b"body", b"end")).writes == [b"headbodyend"]


def test_a_large_body_is_sent_as_it_is() -> None:
    body = bytes(JOINED_BYTES + 1)

    wire = written(put(b"head", body))

    assert wire.writes[0] == b"head"
    assert wire.writes[1] is body


def test_closing_sends_what_is_held_first() -> None:
    def work(joined: JoinedTransport) -> None:
        joined.write(b"last")
        joined.close()
        assert joined.is_closing()

    wire = written(work)

    assert (wire.writes, wire.closed_after) == ([b"last"], 1)


def test_an_answer_of_a_server_arrives_with_one_send() -> None:
    sends: Sequence[bytes] = ask_a_server()

    assert len(sends) == 1
    assert re.match(rb"HTTP/1.1 200 OK\r\n.*\r\n\r\nhello$", sends[0], re.DOTALL)


def ask_a_server() -> Sequence[bytes]:
    """Return what was given to the socket, write by write, for one request."""
    sends: list[bytes] = []

    class Recorded(JoinedProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            plain = transport.write

            def write(piece: bytes) -> None:
                sends.append(bytes(piece))
                plain(piece)

            transport.write = write  # type: ignore[assignment,method-assign]
            super().connection_made(transport)

    async def hello(request: object) -> PlainTextResponse:
        del request
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello)])
    config = uvicorn.Config(app, http=Recorded, lifespan="off", log_config=None)

    async def talk() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await reader.read()
            writer.close()
            server.should_exit = True
            await serving

    asyncio.run(talk())
    return sends
