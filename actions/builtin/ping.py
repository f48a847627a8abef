from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class PingParams(ActionParams):
    """Parameters of builtins.ping: none."""


@action("builtins.ping")
def ping(ctx: Context, p: PingParams) -> ActionResult:
    """Answer."""
    del ctx, p
    return ActionResult()
