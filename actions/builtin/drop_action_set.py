from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult, Json
from actions.sets import LOADED, find_set


class DropActionSetParams(ActionParams):
    """Parameters of builtins.dropActionSet."""

    action_set: str
    """The set."""


@action("builtins.dropActionSet")
def drop_action_set(ctx: Context, p: DropActionSetParams) -> ActionResult:
    """Let names without their set no longer mean the actions of a set that was loaded.

    Sets that every session has from its start stay.

    Raises:
        UnknownAction: there is no set of that name.
    """
    name = find_set(p.action_set)
    more = ctx.session.options.get(LOADED)
    if isinstance(more, list) and name in more:
        kept: list[Json] = [each for each in more if each != name]
        ctx.sessions.change(ctx.session.id, ctx.session.user, options={LOADED: kept})
        ctx.note(f"Dropped action set '{name}'.")
    return ActionResult(values={"actionset": name})
