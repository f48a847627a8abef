from typing import Annotated

from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class EndSessionParams(ActionParams):
    """Parameters of session.endSession."""

    id: Annotated[str | None, Aliases("uuid", "session")] = None
    """The session; left out: the one of this call."""


@action("session.endSession")
def end_session(ctx: Context, p: EndSessionParams) -> ActionResult:
    """End a session of the caller; its tables that are not global go with it.

    Raises:
        SessionNotFound: the caller has no such session.
    """
    session_id = p.id or ctx.session.id
    ctx.sessions.end(session_id, ctx.session.user)
    return ActionResult(values={"ended": session_id})
