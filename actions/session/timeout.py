from typing import Annotated

from pydantic import Field

from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from actions.sessionprop.options import TIMEOUT, options_of


class TimeoutParams(ActionParams):
    """Parameters of session.timeout."""

    time: Annotated[float, Field(ge=0)] | None = None
    """Seconds without a call after which the session ends; 0: the server's own setting; left out:
    it stays as it is."""


@action("session.timeout")
def timeout(ctx: Context, p: TimeoutParams) -> ActionResult:
    """Set how long the session of this call may be idle, and return it; 0 means as the server."""
    session = ctx.session
    if p.time is not None:
        session = ctx.sessions.change(session.id, session.user, options={TIMEOUT: p.time or None})
    return ActionResult(values={TIMEOUT: options_of(session)[TIMEOUT]})
