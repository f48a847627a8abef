"""Session life: open, list, look at, end."""

from fastapi import APIRouter, Response

from actions.errors import InvalidParameters
from actions.ports import PRIORITY, Session
from actions.results import Json
from server.calls import priority_of
from server.routes.bodies import parse_object
from server.routes.dependencies import AppResources, Caller, RawBody, answer

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

NAME_LENGTH = 256


def session_json(session: Session) -> dict[str, Json]:
    """Return a session as the wire tells it."""
    return {
        "id": session.id,
        "name": session.name,
        "user": session.user,
        "caslib": session.active_caslib,
        "priority": session.priority,
        "created": session.created.isoformat(),
        "used": session.used.isoformat(),
    }


@router.post("", status_code=201)
def open_session(resources: AppResources, user: Caller, body: RawBody) -> Response:
    """Open a session of your own; its tables are seen by nobody else."""
    raw = parse_object(body)
    name = raw.pop("name", None) or "session"
    priority = priority_of(raw.pop(PRIORITY, None), f"parameter {PRIORITY!r}")
    if raw:
        unknown = next(iter(raw))
        raise InvalidParameters(
            f"parameter {unknown!r} is unknown, expected 'name' or {PRIORITY!r}",
            parameter=unknown,
            nearest=["name", PRIORITY],
        )
    if not isinstance(name, str) or len(name) > NAME_LENGTH:
        raise InvalidParameters(
            f"parameter 'name' got {name!r}, expected text of at most {NAME_LENGTH} characters",
            parameter="name",
        )
    sessions = resources.stores.sessions
    session = sessions.create(user, name)
    if priority is not None:
        session = sessions.change(session.id, user, options={PRIORITY: priority})
    return answer(session_json(session), 201)


@router.get("")
def list_sessions(resources: AppResources, user: Caller) -> Response:
    """List your sessions."""
    sessions = resources.stores.sessions.list(user)
    return answer({"sessions": [session_json(each) for each in sessions]})


@router.get("/{session_id}")
def show_session(resources: AppResources, user: Caller, session_id: str) -> Response:
    """Return one of your sessions."""
    return answer(session_json(resources.stores.sessions.find(session_id, user)))


@router.delete("/{session_id}")
def end_session(resources: AppResources, user: Caller, session_id: str) -> Response:
    """End a session: its jobs are asked to stop, its tables are dropped."""
    resources.stores.sessions.end(session_id, user)
    resources.runner.wake()
    return answer({"ok": True})
