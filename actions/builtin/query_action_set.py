from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from actions.sets import loaded_sets


class QueryActionSetParams(ActionParams):
    """Parameters of builtins.queryActionSet."""

    action_set: str
    """The set."""


@action("builtins.queryActionSet")
def query_action_set(ctx: Context, p: QueryActionSetParams) -> ActionResult:
    """Return whether the session has loaded a set, under its name as it was sent."""
    known = {each.lower() for each in loaded_sets(ctx.session)}
    return ActionResult(values={p.action_set: p.action_set.lower() in known})
