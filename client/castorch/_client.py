"""The connection to a server."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from castorch._errors import ConnectionFailed
from castorch._job import Job, find_job
from castorch._request import Request
from castorch._session import Session

if TYPE_CHECKING:
    import httpx

    from castorch._transport import Transport

DEFAULT_URL = "http://127.0.0.1:8080"


class Client:
    """A server; made by :func:`castorch.connect`, closed with :meth:`close` or a ``with`` block."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        return f"Client({self._transport.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._transport.url

    def close(self) -> None:
        """Close all connections; sessions and jobs on the server go on."""
        self._transport.close()

    def version(self) -> str:
        """Return the server's version.

        Raises:
            ConnectionFailed: no castorch server answers there.
        """
        return str(self._get("/healthz").get("version", ""))

    def session(
        self,
        *,
        name: str | None = None,
        session_id: str | None = None,
        priority: int | None = None,
    ) -> Session:
        """Return a session.

        Without arguments it is the caller's own default session: it is always there, and its
        tables stay.

        Args:
            name: opens a new session of this name; use it in a ``with`` block to end it.
            session_id: takes a session that is open already.
            priority: of the jobs that are started here, -100 to 100; higher ones are run first.

        Raises:
            SessionNotFound: there is no session of that id.
        """
        if session_id is not None:
            found = self._get(f"/v1/sessions/{_part(session_id)}")
            return Session(self._transport, str(found["id"]), priority=priority)
        if name is None:
            return Session(self._transport, priority=priority)
        request = Request("POST", "/v1/sessions", body={"name": name})
        opened = self._transport.send(request).json()
        return Session(self._transport, str(opened["id"]), priority=priority)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the caller's open sessions."""
        return list(self._get("/v1/sessions")["sessions"])

    def job(self, job_id: str) -> Job:
        """Return a job by its id.

        Raises:
            JobNotFound: the caller has no such job.
        """
        return find_job(self._transport, job_id)

    def jobs(self) -> list[Job]:
        """Return the caller's latest jobs, the newest first."""
        return [Job(self._transport, body) for body in self._get("/v1/jobs")["jobs"]]

    def actions(self) -> list[dict[str, Any]]:
        """Return name, summary and aliases of every action the server has."""
        return list(self._get("/v1/actions")["actions"])

    def action(self, name: str) -> dict[str, Any]:
        """Return an action with the JSON Schema of its parameters.

        Raises:
            UnknownAction: the server has none of that name.
        """
        return self._get(f"/v1/actions/{_part(name)}")

    def layers(self) -> list[dict[str, Any]]:
        """Return every layer type the server has, with the JSON Schema of its options."""
        return list(self._get("/v1/layers")["layers"])

    def _get(self, path: str) -> dict[str, Any]:
        return self._transport.send(Request("GET", path)).json()


def _part(text: str) -> str:
    return quote(text, safe="")


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    timeout_s: float = 60.0,
    transport: httpx.BaseTransport | None = None,
) -> Client:
    """Return a client for a castorch server, after asking whether one is there.

    Args:
        url: its address; None takes the environment's ``CASTORCH_URL``, else
            ``http://127.0.0.1:8080``.
        token: a bearer token; None takes ``CASTORCH_TOKEN``, if it is set.
        timeout_s: seconds the server may be silent. Actions and uploads may take longer: they end
            when they end.
        transport: an ``httpx`` transport to use instead of the network.

    Raises:
        ConnectionFailed: no castorch server answers at the address.
    """
    from castorch._transport import Transport  # loads the HTTP library, which takes its time

    address = url or os.environ.get("CASTORCH_URL") or DEFAULT_URL
    secret = token or os.environ.get("CASTORCH_TOKEN") or None
    client = Client(Transport(address, secret, timeout_s=timeout_s, transport=transport))
    try:
        client.version()
    except ConnectionFailed:
        client.close()
        raise
    return client
