from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class SessionIdParams(ActionParams):
    """Parameters of session.sessionId: none."""


@action("session.sessionId")
def session_id(ctx: Context, p: SessionIdParams) -> ActionResult:
    """Return the id and the name of the session of this call."""
    del p
    return ActionResult(values={"id": ctx.session.id, "name": ctx.session.name})
