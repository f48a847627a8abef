"""What routes ask for: the resources, the caller, the caller's session, the body.

What waits for the database is a plain function, which FastAPI runs in a thread; all else is async,
since every hop between threads costs a call about 0.2 ms.
"""

import json
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from actions.ports import Session
from actions.results import Json
from server.routes.bodies import read_json_bytes
from server.wiring import Resources


async def _resources(request: Request) -> Resources:
    found: Resources = request.app.state.resources
    return found


AppResources = Annotated[Resources, Depends(_resources)]


def _caller(request: Request, resources: AppResources) -> str:
    return resources.gate.caller(request.headers)


Caller = Annotated[str, Depends(_caller)]


def _session(
    request: Request,
    resources: AppResources,
    castorch_session: Annotated[
        str | None, Header(description="Session of the call; left out: your default session")
    ] = None,
) -> Session:
    user, sessions = _caller(request, resources), resources.stores.sessions
    if castorch_session is None:
        return sessions.default(user)
    return sessions.find(castorch_session, user)


CallerSession = Annotated[Session, Depends(_session)]

RawBody = Annotated[bytes, Depends(read_json_bytes)]


def answer(body: Json, status: int = 200, **headers: str) -> Response:
    """Return a JSON answer; made here, in the thread of a route, and not in the event loop."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, media_type="application/json")
