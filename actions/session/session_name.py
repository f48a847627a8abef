from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class SessionNameParams(ActionParams):
    """Parameters of session.sessionName."""

    name: str | None = None
    """The new name; left out: it keeps its own."""


@action("session.sessionName")
def session_name(ctx: Context, p: SessionNameParams) -> ActionResult:
    """Give the session of this call a name, and return it.

    Raises:
        InvalidParameters: the name is empty, too long or has characters that cannot be shown.
    """
    session = ctx.session
    if p.name is not None:
        session = ctx.sessions.change(session.id, session.user, name=p.name)
    return ActionResult(values={"name": session.name})
