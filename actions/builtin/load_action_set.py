from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult, Json
from actions.sets import LOADED, find_set, loaded_sets


class LoadActionSetParams(ActionParams):
    """Parameters of builtins.loadActionSet."""

    action_set: str
    """The set."""


@action("builtins.loadActionSet")
def load_action_set(ctx: Context, p: LoadActionSetParams) -> ActionResult:
    """Let names without their set mean the actions of a set, too; loading twice does no harm.

    Raises:
        UnknownAction: there is no set of that name.
    """
    name = find_set(p.action_set)
    loaded = loaded_sets(ctx.session)
    if name not in loaded:
        more = ctx.session.options.get(LOADED)
        kept: list[Json] = [*more, name] if isinstance(more, list) else [name]
        ctx.sessions.change(ctx.session.id, ctx.session.user, options={LOADED: kept})
        ctx.note(f"Added action set '{name}'.")
    return ActionResult(values={"actionset": name})
