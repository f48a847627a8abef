"""Liveness and readiness, for whoever watches the process."""

from importlib.metadata import version

from fastapi import APIRouter, Response

from actions.results import Json
from server.routes.dependencies import AppResources, answer

router = APIRouter(tags=["health"])

VERSION = version("castorch-server")


@router.get("/healthz")
def healthz() -> Response:
    """Answer that the server runs."""
    return answer({"status": "ok", "version": VERSION})


@router.get("/readyz")
def readyz(resources: AppResources) -> Response:
    """Answer whether the database can be reached, and how many workers of this server are warm."""
    resources.stores.ping()
    workers: dict[str, Json] = {"ready": resources.runner.ready, "of": resources.runner.size}
    return answer({"status": "ready", "version": VERSION, "workers": workers})
