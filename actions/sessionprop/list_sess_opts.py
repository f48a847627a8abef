from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from actions.sessionprop.options import options_of


class ListSessOptsParams(ActionParams):
    """Parameters of sessionProp.listSessOpts: none."""


@action("sessionProp.listSessOpts")
def list_sess_opts(ctx: Context, p: ListSessOptsParams) -> ActionResult:
    """Return the options of the session and their values."""
    del p
    rows = [(name, str(value)) for name, value in sorted(options_of(ctx.session).items())]
    columns: Declared = (("Name", "string"), ("Value", "string"))
    return ActionResult(tables={"SessionOptions": result_table(columns, rows, "Session Options")})
