"""How routes of the CAS dialect fail, and how their connections end."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from server.errors import Failure, or_failure
from server.failures import status_of_code
from server.routes.dependencies import answer

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class CasRoute(APIRoute):
    """A route whose failures have the error body of the dialect.

    A GET may announce a body that never comes, as its client forgets to take back a header; so the
    connection is closed after it.

    Source: CAS REST dialect, error bodies (1.3), stale headers (1.4).
    """

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            ended = await or_failure(handle(request))
            response = rest_error(ended.told) if isinstance(ended, Failure) else ended
            if request.method == "GET":
                response.headers["Connection"] = "close"
            return response

        return guarded


def rest_error(told: Mapping[str, Any]) -> Response:
    """Return the error body of the dialect, of what ``failure`` told."""
    status = status_of_code(str(told["code"]))
    headers = {"WWW-Authenticate": 'Basic realm="castorch", Bearer'} if status == 401 else {}
    body = {"httpStatusCode": status, "error": told["message"], "details": "", "code": told["code"]}
    return answer(body, status, **headers)
