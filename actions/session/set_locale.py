from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class SetLocaleParams(ActionParams):
    """Parameters of session.setLocale."""

    locale: str
    """Language and country, such as ``en_US``."""


@action("session.setLocale")
def set_locale(ctx: Context, p: SetLocaleParams) -> ActionResult:
    """Keep the language of the caller; answers are in English either way."""
    ctx.sessions.change(ctx.session.id, ctx.session.user, options={"locale": p.locale})
    return ActionResult(values={"locale": p.locale})
