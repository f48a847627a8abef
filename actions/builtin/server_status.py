import os

from actions.answers import result_table
from actions.builtin.about import about_values
from actions.context import Context
from actions.params import ActionParams
from actions.registry import ACTIONS, action
from actions.results import ActionResult


class ServerStatusParams(ActionParams):
    """Parameters of builtins.serverStatus: none."""


@action("builtins.serverStatus")
def server_status(ctx: Context, p: ServerStatusParams) -> ActionResult:
    """Return what runs here, on one node."""
    del p
    server = result_table(
        (("nodes", "int64"), ("actions", "int64")), [(1, len(ACTIONS))], "Server Status"
    )
    nodes = result_table(
        (("name", "string"), ("role", "string"), ("processors", "int64")),
        [(os.uname().nodename, "controller", os.cpu_count() or 1)],
        "Node Status",
    )
    return ActionResult(
        tables={"server": server, "nodestatus": nodes},
        values=about_values(ctx),
    )
