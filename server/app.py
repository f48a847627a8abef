"""The application: routers, middleware, errors, and the description of it all."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.errors import UnexpectedFailures, add_error_handlers
from server.middleware import EarlyAnswers, RequestIds
from server.openapi import describe
from server.routes import actions, cas, health, jobs, metrics, reflection, sessions, tables
from server.routes.cas.retrieval import Answers
from server.telemetry import Measured, Telemetry
from server.wiring import Resources

TITLE = "castorch"


def create_app(resources: Resources) -> FastAPI:
    """Return the application over opened resources; whoever opened them closes them."""
    app = FastAPI(title=TITLE, version=health.VERSION, docs_url=None, redoc_url=None)
    app.state.resources = resources
    app.state.answers = Answers()
    app.state.telemetry = Telemetry(resources)
    for module in (health, metrics, sessions, reflection, actions, tables, jobs, cas):
        app.include_router(module.router)
    add_error_handlers(app)
    app.add_middleware(UnexpectedFailures)
    app.add_middleware(EarlyAnswers)
    app.add_middleware(Measured, telemetry=app.state.telemetry)
    app.add_middleware(RequestIds)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]  # FastAPI's way to do it
    app.add_api_route("/v1/openapi.json", app.openapi, include_in_schema=False)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        plain = get_openapi(title=TITLE, version=app.version, routes=app.routes)
        app.openapi_schema = describe(plain)
    return app.openapi_schema
