from actions.context import Context
from actions.errors import UnknownAction
from actions.params import ActionParams
from actions.registry import action, find
from actions.results import ActionResult, Json
from actions.sets import find_set, loaded_sets


class QueryNameParams(ActionParams):
    """Parameters of builtins.queryName."""

    name: str
    """A name that may be an action's, with or without its set, or a set's."""


@action("builtins.queryName")
def query_name(ctx: Context, p: QueryNameParams) -> ActionResult:
    """Return the action and the set a name stands for; of a name that is unknown, neither."""
    values: dict[str, Json] = {"name": p.name}
    try:
        declared = find(p.name, loaded_sets(ctx.session))
    except UnknownAction:
        return ActionResult(values={**values, **_set_of(p.name)})
    own = declared.name.partition(".")[2]
    return ActionResult(values={**values, "actionSet": declared.set_name, "action": own})


def _set_of(name: str) -> dict[str, Json]:
    try:
        return {"actionSet": find_set(name)}
    except UnknownAction:
        return {}
