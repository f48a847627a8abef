"""A server in a few lines, a clock without waiting, and a client that knows no other."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from castorch._client import Client
from castorch._clock import Clock
from castorch._session import Session
from castorch._transport import RetryPolicy, Transport

Handler = Callable[[httpx.Request], httpx.Response]
URL = "http://castorch.test"


class FakeClock(Clock):
    """Time that passes only by pauses."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


class FakeServer:
    """Answers by method and path, and keeps every request.

    An answer may be a response, a JSON object, an exception to raise, a function of the request,
    or a list of those, given one after the other (the last one again and again).
    """

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = {"GET /healthz": {"status": "ok", "version": "0.1.0"}}
        self.answers.update(answers or {})
        self.requests: list[httpx.Request] = []
        self.clock = FakeClock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        key = f"{request.method} {request.url.path}"
        answer = self.answers[key]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    def bodies(self) -> list[tuple[str, Any]]:
        """Return path and JSON body of every request that had one."""
        return [
            (request.url.path, json.loads(request.content))
            for request in self.requests
            if request.headers.get("content-type") == "application/json"
        ]

    def transport(self, token: str | None = None, retries: int = 0) -> Transport:
        return Transport(
            URL,
            token,
            retry=RetryPolicy(retries),
            transport=httpx.MockTransport(self),
            clock=self.clock,
        )

    def client(self) -> Client:
        return Client(self.transport())

    def session(self) -> Session:
        return Session(self.transport())


def error(code: str, message: str, status: int = 400, **details: Any) -> httpx.Response:
    """Return the error body of a castorch server."""
    body = {"ok": False, "code": code, "message": message, "details": details, "status": status}
    return httpx.Response(status, json=body, headers={"X-Request-Id": "r-1"})


def table(names: str, *rows: list[Any]) -> dict[str, Any]:
    """Return a result table as JSON; names are parted by blanks, ``name:type`` gives a type."""
    columns = []
    for each in names.split():
        name, _, kind = each.partition(":")
        columns.append({"name": name, "type": kind or "string", "label": ""})
    return {"columns": columns, "rows": list(rows), "title": ""}


def answered(**tables: Any) -> dict[str, Any]:
    """Return the answer of an action."""
    return {
        "ok": True,
        "tables": tables,
        "values": {},
        "messages": [],
        "elapsed_s": 0.5,
        "job": None,
    }


def job(state: str, **more: Any) -> dict[str, Any]:
    """Return a job as JSON."""
    return {"id": "j1", "action": "deepLearn.dlTrain", "state": state, "error": None, **more}


def stream(*events: tuple[int, str, Mapping[str, Any]]) -> httpx.Response:
    """Return an event stream."""
    text = "".join(
        f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
        for number, name, data in events
    )
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})
