from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class MetricsParams(ActionParams):
    """Parameters of session.metrics."""

    on: bool = True
    """Whether the cost of a call is to be shown."""


@action("session.metrics")
def metrics(ctx: Context, p: MetricsParams) -> ActionResult:
    """Keep whether the cost of calls is to be shown; answers of the CAS dialect have it always."""
    ctx.sessions.change(ctx.session.id, ctx.session.user, options={"metrics": p.on})
    return ActionResult(values={"metrics": p.on})
