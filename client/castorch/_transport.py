"""The one place that speaks HTTP.

Time-outs, retries of safe requests with growing pauses, request ids, and the translation of the
HTTP library's errors and the server's error bodies into ours, live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx

from castorch._clock import Clock
from castorch._errors import ActionFailed, ConnectionFailed, ProtocolFailed, TimedOut, from_body
from castorch._request import Answer, Request, json_object
from castorch._sse import ServerEvent, read_events

SAFE_METHODS = frozenset({"GET", "HEAD"})
BUSY_STATUSES = frozenset({502, 503, 504})
CONNECT_TIMEOUT_S = 10.0
KEY_HEADER = "Idempotency-Key"
JOB_STATE_HEADER = "Castorch-Job-State"
# Shorter than the five seconds after which common servers close an idle connection, so that a
# request is never written into one that is being closed.
IDLE_CONNECTION_S = 2.0


@dataclass(frozen=True)
class RetryPolicy:
    """How often a safe request is sent again, and after what pauses.

    Attributes:
        retries: sendings after the first; 0 never repeats.
        pause_s: seconds before the first repetition, doubled before each following one.
        longest_pause_s: no pause is longer, whatever the server asks for.
        longest_absence_s: time after which a server that is away is given up, by a request that has
            a key; such a request is sent again however often within it.
    """

    retries: int = 3
    pause_s: float = 0.2
    longest_pause_s: float = 5.0
    longest_absence_s: float = 60.0

    def pause_before(self, repetition: int, asked_s: float | None = None) -> float:
        """Return the seconds to wait before a repetition (1 is the first)."""
        wanted = self.pause_s * 2 ** (repetition - 1) if asked_s is None else asked_s
        return min(max(wanted, 0.0), self.longest_pause_s)


class _Absence:
    """Bears with a server that is away for a while."""

    def __init__(self, clock: Clock, policy: RetryPolicy) -> None:
        self._clock = clock
        self._policy = policy
        self._since: float | None = None
        self._times = 0

    def is_over(self, began: float) -> bool:
        """Return whether the server is given up after an attempt that began then and failed."""
        now = self._clock.now()
        if self._since is None or now - began > CONNECT_TIMEOUT_S:  # it was there meanwhile
            self._since, self._times = now, 0
        return now - self._since >= self._policy.longest_absence_s

    def bear(self, asked_s: float | None) -> None:
        """Wait before the next attempt."""
        self._times += 1
        self._clock.pause(self._policy.pause_before(self._times, asked_s))


class Transport:
    """Sends requests to one server, and raises what goes wrong as castorch errors.

    Args:
        url: the server's address, for example ``http://127.0.0.1:8080``.
        token: a bearer token, or None.
        timeout_s: seconds to wait for the server to send something; connecting has at most ten.
        retry: how safe requests are repeated.
        transport: an ``httpx`` transport to send through instead of the network.
        clock: what pauses are measured with; exchanged by tests.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        retry: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._retry = retry or RetryPolicy()
        self.clock = clock or Clock()
        self._timeout_s = timeout_s
        headers = {"Accept": "application/json", "User-Agent": "castorch-python"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        with self._translated():
            self._client = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
                limits=httpx.Limits(keepalive_expiry=IDLE_CONNECTION_S),
                transport=transport,
            )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(self, request: Request) -> Answer:
        """Send a request and read the whole answer.

        Raises:
            ActionFailed: the server answered with an error (the class follows its code).
            ConnectionFailed: there was no answer, or not one of this interface.
            TimedOut: it did not come in time.
        """
        request_id = uuid4().hex
        with self._opened(request, request_id) as response, self._translated():
            content = response.read()
            return Answer(response.status_code, dict(response.headers), content)

    @contextmanager
    def download(self, request: Request) -> Iterator[Iterator[bytes]]:
        """Send a request and give the answer's bytes piece by piece while the block lasts.

        Raises:
            ActionFailed, ConnectionFailed, TimedOut: as :meth:`send`.
        """
        with self._opened(request, uuid4().hex) as response:
            yield self._pieces(response)

    def events(
        self, path: str, *, after: str = "", timeout_s: float | None = None
    ) -> Iterator[ServerEvent]:
        """Send a request for an event stream and yield its events until it ends.

        Args:
            path: of the stream.
            after: the id of the last event already seen; the stream goes on behind it.
            timeout_s: longest silence; None is the transport's own.

        Raises:
            ActionFailed, ConnectionFailed, TimedOut: as :meth:`send`, also in the middle.
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        request = Request("GET", path, headers=headers)
        with self._opened(request, uuid4().hex, timeout_s) as response, self._translated():
            yield from read_events(response.iter_lines())

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        with self._translated():
            yield from response.iter_bytes()

    @contextmanager
    def _opened(
        self, request: Request, request_id: str, timeout_s: float | None = None
    ) -> Iterator[httpx.Response]:
        response = self._answered(request, request_id, timeout_s)
        try:
            if response.is_error or response.is_redirect:
                raise self._failure(response, request_id)
            yield response
        finally:
            response.close()

    def _answered(
        self, request: Request, request_id: str, timeout_s: float | None
    ) -> httpx.Response:
        if request.key is not None:
            return self._answered_once(request, request_id, request.key)
        retries = self._retry.retries if request.method in SAFE_METHODS else 0
        for repetition in range(1, retries + 1):
            try:
                response = self._sent(request, request_id, timeout_s)
            except TimedOut:
                raise
            except ConnectionFailed:
                asked_s = None
            else:
                if response.status_code not in BUSY_STATUSES:
                    return response
                asked_s = _retry_after(response)
                response.close()
            self.clock.pause(self._retry.pause_before(repetition, asked_s))
        return self._sent(request, request_id, timeout_s)

    def _answered_once(self, request: Request, request_id: str, key: str) -> httpx.Response:
        """Send a request until it is answered; by its key the server runs it once.

        A server that is restarted in the middle is away for a while, and then has the answer.
        """
        keyed = request.with_headers({KEY_HEADER: key})
        absence = _Absence(self.clock, self._retry)
        while True:
            began = self.clock.now()
            try:
                response = self._sent(keyed, request_id, None)
            except ConnectionFailed:
                if absence.is_over(began):
                    raise
                asked_s = None
            else:
                if not _is_busy(response) or absence.is_over(began):
                    return response
                asked_s = _retry_after(response)
                response.close()
            absence.bear(asked_s)

    def _sent(self, request: Request, request_id: str, timeout_s: float | None) -> httpx.Response:
        with self._translated():
            built = self._client.build_request(
                request.method,
                request.path,
                params={k: _query(v) for k, v in request.query.items() if v is not None},
                headers={**request.headers, "X-Request-Id": request_id},
                json=request.body,
                content=request.content,
                timeout=self._timeout(request, timeout_s),
            )
            return self._client.send(built, stream=True)

    def _timeout(self, request: Request, timeout_s: float | None) -> httpx.Timeout:
        longest = self._timeout_s if timeout_s is None else timeout_s
        return httpx.Timeout(
            longest,
            connect=min(longest, CONNECT_TIMEOUT_S),
            read=None if request.waits else longest,
        )

    def _failure(self, response: httpx.Response, request_id: str) -> ActionFailed | ProtocolFailed:
        with self._translated():
            body = json_object(response.read())
        status = response.status_code
        if body is None or "code" not in body:
            return ProtocolFailed(
                f"the server answered status {status} without the error body of a castorch "
                f"server; is {self.url} its address?",
                status=status,
                url=self.url,
            )
        shown_id = response.headers.get("X-Request-Id", request_id)
        return from_body(body, status=status, request_id=shown_id)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise the HTTP library's errors as castorch's."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise TimedOut(
                f"the server at {self.url} did not answer in time ({type(error).__name__})",
                url=self.url,
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConnectionFailed(
                f"the address {self.url!r} is not one of a server; "
                "expected something like 'http://127.0.0.1:8080'",
                url=self.url,
            ) from error
        except httpx.HTTPError as error:
            raise ConnectionFailed(
                f"no connection to the server at {self.url}: {error}", url=self.url
            ) from error


def _query(value: str | int | bool) -> str:  # noqa: FBT001 - a value, not a switch
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_busy(response: httpx.Response) -> bool:
    """Return whether a later attempt may go better; not where a job has ended that way."""
    return response.status_code in BUSY_STATUSES and JOB_STATE_HEADER not in response.headers


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None
