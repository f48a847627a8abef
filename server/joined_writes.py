"""Answers that leave in one write.

uvicorn hands the head of an answer and its body to the connection one by one, and each goes out as
a packet of its own. Here what is written in one turn of the event loop is sent at its end.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

JOINED_BYTES = 64 << 10
"""Pieces of more than this in all are sent at once, as they are."""


class JoinedTransport:
    """A connection that collects what is written until the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Send a piece together with those that follow in this turn."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(piece)
        self._size += len(piece)
        if self._size > JOINED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        held, self._held, self._size = self._held, [], 0
        if len(held) == 2 and len(held[1]) > JOINED_BYTES:  # a body is not copied
            self._transport.write(held[0])
            self._transport.write(held[1])
        elif held:
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Send what is held and close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class JoinedProtocol(H11Protocol):
    """HTTP/1.1 over a connection that joins writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a new connection."""
        super().connection_made(JoinedTransport(transport, self.loop))  # type: ignore[arg-type]
