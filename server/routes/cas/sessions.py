"""Sessions over the CAS dialect: open, look at, list, end."""

from fastapi import APIRouter, Request, Response

from actions.job_ports import FINAL_STATES
from actions.ports import Session
from actions.results import Json
from server.routes.cas.retrieval import JOBS_SEEN, Answers
from server.routes.cas.routing import CasRoute
from server.routes.dependencies import AppResources, Caller, answer
from server.routes.health import VERSION
from server.wiring import Resources

router = APIRouter(prefix="/cas", route_class=CasRoute, include_in_schema=False)

NAME = "cas"
"""What a session is called until its client names it."""


@router.get("")
def show_server() -> Response:
    """Answer that this is a server of the dialect; clients look here before anything else."""
    return answer({"name": "castorch", "version": VERSION})


@router.put("/sessions")
def open_session(resources: AppResources, user: Caller, locale: str | None = None) -> Response:
    """Open a session."""
    sessions = resources.stores.sessions
    session = sessions.create(user, NAME)
    if locale is not None:
        sessions.change(session.id, user, options={"locale": locale})
    return answer({"session": session.id})


@router.get("/sessions")
def list_sessions(request: Request, resources: AppResources, user: Caller) -> Response:
    """List your sessions."""
    found = resources.stores.sessions.list(user)
    return answer([session_json(request, resources, each) for each in found])


@router.get("/sessions/{session_id}")
def show_session(
    request: Request, resources: AppResources, user: Caller, session_id: str
) -> Response:
    """Return a session; clients ask until it is idle after they have lost a connection."""
    session = resources.stores.sessions.find(session_id, user)
    return answer(session_json(request, resources, session))


@router.delete("/sessions/{session_id}")
def end_session(resources: AppResources, user: Caller, session_id: str) -> Response:
    """End a session: its jobs are asked to stop, its tables are dropped."""
    resources.stores.sessions.end(session_id, user)
    resources.runner.wake()
    return answer({})


def session_json(request: Request, resources: Resources, session: Session) -> dict[str, Json]:
    """Return a session as the dialect tells it."""
    answers: Answers = request.app.state.answers
    is_idle = not answers.is_running(session.id) and not _has_jobs(resources, session)
    return {
        "uuid": session.id,
        "name": session.name,
        "owner": session.user,
        "state": "Connected",
        "isIdle": is_idle,
    }


def _has_jobs(resources: Resources, session: Session) -> bool:
    found = resources.stores.jobs.list(session.user, limit=JOBS_SEEN)
    return any(each.session_id == session.id and each.state not in FINAL_STATES for each in found)
