"""Every failure of a request becomes the one error body, here and nowhere else."""

import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, JsonValue
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actions.errors import CallUnfinished, InvalidParameters
from actions.results import Json
from engine.errors import EngineError
from server.failures import failure, status_of_code

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_ROUTING = {404: "route.not_found", 405: "route.method"}


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    ok: bool = False
    code: str
    message: str
    details: dict[str, JsonValue]
    status: int


def error_response(told: Mapping[str, object], status: int | None = None) -> JSONResponse:
    """Return the one error body of what ``failure`` told or a job has kept."""
    code = str(told["code"])
    number = status or status_of_code(code)
    body = {
        "ok": False,
        "code": code,
        "message": told["message"],
        "details": told.get("details") or {},
        "status": number,
    }
    headers = {"WWW-Authenticate": "Bearer"} if number == 401 else None
    return JSONResponse(body, status_code=number, headers=headers)


def add_error_handlers(app: FastAPI) -> None:
    """Give every declared failure of an application the one error body."""
    app.add_exception_handler(EngineError, _answer)
    app.add_exception_handler(HTTPException, _answer_routing)
    app.add_exception_handler(RequestValidationError, _answer_query)


@dataclass(frozen=True)
class Failure:
    """What is told about some work that failed, and what it had logged before."""

    told: Mapping[str, Json]
    messages: Sequence[Mapping[str, Json]] = ()


async def or_failure(work: Awaitable[T]) -> T | Failure:
    """Return what some work gives, or what is told about the error, declared or not, it ends with.

    For dialects whose failures are answers of their own.
    """
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - a failure nobody declared has an answer, too
        return Failure(failure(error))


class UnexpectedFailures:
    """Answers an error that nobody declared with its id; a late one breaks the connection.

    Once a response has started no status can be taken back: the connection is cut, so that the
    caller sees a body that ends too early and not a whole one. A request that the server gives up
    when it is stopped has status 503.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if started:
                raise
            await error_response(failure(error))(scope, receive, send)
        except CancelledError:
            if started:
                raise
            given_up = CallUnfinished("the server was stopped before the request came to its end")
            await error_response(failure(given_up), 503)(scope, receive, send)


def _answer(request: Request, error: Exception) -> Response:
    del request
    return error_response(failure(error))


def _answer_routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the kind registered above
    path, status = request.url.path, error.status_code
    message = {
        404: f"no route is at {path!r}; GET /openapi.json lists them",
        405: f"the route {path!r} got {request.method}, expected another method",
    }.get(status, str(error.detail))
    code = _ROUTING.get(status, "request.invalid")
    response = error_response({"code": code, "message": message, "details": {"path": path}}, status)
    response.headers.update(error.headers or {})
    return response


def _answer_query(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the kind registered above
    first = error.errors()[0]
    place, got = str(first["loc"][-1]), first.get("input")
    problem = str(first["msg"])
    message = f"parameter {place!r} got {got!r}: {problem[:1].lower()}{problem[1:]}"
    return error_response(failure(InvalidParameters(message, parameter=place, got=got)))
