"""Numbers for whoever watches many servers."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from server.routes.dependencies import Caller

router = APIRouter(tags=["health"])


@router.get("/metrics")
def metrics(request: Request, user: Caller) -> Response:
    """Answer the numbers of this server in the text format of Prometheus; asks for a token."""
    del user
    return Response(request.app.state.telemetry.page(), media_type=CONTENT_TYPE_LATEST)
