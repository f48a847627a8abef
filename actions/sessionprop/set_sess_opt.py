from actions.context import Context
from actions.fields import fold
from actions.registry import action
from actions.results import ActionResult, Json
from actions.sessionprop.options import TIMEOUT, SessionOptions


class SetSessOptParams(SessionOptions):
    """Parameters of sessionProp.setSessOpt: the options to set."""


@action("sessionProp.setSessOpt")
def set_sess_opt(ctx: Context, p: SetSessOptParams) -> ActionResult:
    """Set options of the session of this call.

    Raises:
        CaslibNotFound: the session sees no such caslib.
    """
    given: dict[str, Json] = p.model_dump(mode="json", exclude_none=True)
    caslib = given.pop("caslib", None)
    if caslib is not None:
        found = ctx.caslibs.find(str(caslib))
        ctx.sessions.activate(ctx.session.id, ctx.session.user, found.name)
    if given:
        options: dict[str, Json] = {fold(name): value for name, value in given.items()}
        if options.get(TIMEOUT) == 0:
            options[TIMEOUT] = None
        ctx.sessions.change(ctx.session.id, ctx.session.user, options=options)
    return ActionResult()
