from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class SessionStatusParams(ActionParams):
    """Parameters of session.sessionStatus: none."""


@action("session.sessionStatus")
def session_status(ctx: Context, p: SessionStatusParams) -> ActionResult:
    """Return that the session of this call is there, and when it was opened."""
    del p
    opened = ctx.session.created.isoformat()
    return ActionResult(values={"state": "Connected", "opened": opened})
