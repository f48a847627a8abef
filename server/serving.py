"""Running the application until the process is asked to stop."""

import logging
import os
import signal
import socket
from collections.abc import Callable
from threading import Timer

import uvicorn

from server.app import create_app
from server.joined_writes import JoinedProtocol
from server.routes.health import VERSION
from server.settings import Settings
from server.wiring import Resources, open_resources

LOG = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Time an idle connection stays open, in seconds; longer than clients keep theirs in a pool."""

HEAD_BYTES = 1 << 20
"""Longest head of a request; the CAS dialect describes the columns of an upload in a header."""

LAST_CALL_S = 1.0
"""Time for a request that still computes when all else has ended, in seconds."""

LAST_ANSWERS_S = 5
"""Time for the last answers after a stop was asked for, in seconds."""


class _Server(uvicorn.Server):
    """Says when it is ready, and lets waiting calls go before it waits for them."""

    def __init__(
        self,
        config: uvicorn.Config,
        resources: Resources,
        ready: Callable[[], None],
        stopping: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._resources = resources
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        self._resources.signals.stop()
        await super().shutdown(sockets)


def watch_end(
    seconds: float, close: Callable[[], None], leave: Callable[[int], None] = os._exit
) -> Timer:
    """End this process after a while, whatever its threads do.

    A request that computes cannot be stopped, and Python waits for its thread.

    Args:
        seconds: until then.
        close: what is to be done before.
        leave: ends the process.

    Returns:
        A timer to be cancelled where the process has come to its end by itself.
    """

    def end() -> None:
        LOG.warning("a request still computes; the server ends without it")
        close()
        leave(0)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


def run_server(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: where to listen, what to open.
        say: gets one line when the server is ready.

    Raises:
        NotPermitted: the server would listen to other machines, and there is no token.
        StoreUnavailable: the database cannot be opened.
        OSError: the address cannot be listened on.
    """
    with bind(settings.host, settings.port) as listener, open_resources(settings) as resources:
        resources.gate.check_start()
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        line = f"castorch {VERSION} serves http://{shown}:{port}"
        watches: list[Timer] = []

        def watch() -> None:
            watches.append(watch_end(LAST_ANSWERS_S + LAST_CALL_S, resources.runner.close))

        server = make_server(resources, lambda: say(line), watch)
        # The signals that ended the loop are raised again after it; they have been heard.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _heard)
        server.run(sockets=[listener])
        for each in watches:
            each.cancel()
    watch_end(LAST_CALL_S, logging.shutdown)


def make_server(
    resources: Resources,
    ready: Callable[[], None],
    stopping: Callable[[], None] = lambda: None,
) -> uvicorn.Server:
    """Return a server of the application that has not started yet.

    Args:
        resources: what it works with.
        ready: called when it listens.
        stopping: called when it was asked to stop.
    """
    config = uvicorn.Config(
        create_app(resources),
        http=JoinedProtocol,
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    return _Server(config, resources, ready, stopping)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 takes a free one.

    Raises:
        OSError: the address is in use, not of this machine, or not permitted.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> OSError:
    return OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}")


def _heard(number: int, frame: object) -> None:
    del number, frame
