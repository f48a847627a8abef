from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class ListSessionsParams(ActionParams):
    """Parameters of session.listSessions: none."""


@action("session.listSessions")
def list_sessions(ctx: Context, p: ListSessionsParams) -> ActionResult:
    """Return the sessions of the caller."""
    del p
    rows = [
        (each.id, each.name, each.user, each.active_caslib, each.created, each.used)
        for each in ctx.sessions.list(ctx.session.user)
    ]
    columns: Declared = (
        ("UUID", "string"),
        ("Name", "string"),
        ("User", "string"),
        ("Caslib", "string"),
        ("Created", "datetime"),
        ("Used", "datetime"),
    )
    return ActionResult(tables={"Session": result_table(columns, rows, "Sessions")})
