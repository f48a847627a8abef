from typing import Annotated

from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class SetCaslibParams(ActionParams):
    """Parameters of session.setCaslib."""

    caslib: Annotated[str, Aliases("name")]
    """The caslib that is meant where a call names none."""


@action("session.setCaslib")
def set_caslib(ctx: Context, p: SetCaslibParams) -> ActionResult:
    """Make a caslib the session's active one.

    Raises:
        CaslibNotFound: the session sees no such caslib.
    """
    caslib = ctx.caslibs.find(p.caslib)
    session = ctx.sessions.activate(ctx.session.id, ctx.session.user, caslib.name)
    return ActionResult(values={"caslib": session.active_caslib})
