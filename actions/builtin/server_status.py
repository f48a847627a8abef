import os

from actions.answers import result_table
from actions.builtin.about import about_values, server_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class ServerStatusParams(ActionParams):
    """Parameters of builtins.serverStatus: none."""


@action("builtins.serverStatus")
def server_status(ctx: Context, p: ServerStatusParams) -> ActionResult:
    """Return what runs here, on one node."""
    del p
    nodes = result_table(
        (("name", "string"), ("role", "string"), ("processors", "int64")),
        [(os.uname().nodename, "controller", os.cpu_count() or 1)],
        "Node Status",
    )
    return ActionResult(
        tables={"server": server_table(), "nodestatus": nodes}, values=about_values(ctx)
    )
