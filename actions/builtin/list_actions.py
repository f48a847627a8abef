from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import ACTIONS, action
from actions.results import ActionResult


class ListActionsParams(ActionParams):
    """Parameters of builtins.listActions."""

    action_set: str | None = None
    """One set; left out: all."""


@action("builtins.listActions")
def list_actions(ctx: Context, p: ListActionsParams) -> ActionResult:
    """Return the actions this server knows."""
    del ctx
    rows = [
        (each.name, each.summary, each.runs, ", ".join(each.aliases))
        for each in ACTIONS.values()
        if p.action_set is None or each.name.lower().startswith(f"{p.action_set.lower()}.")
    ]
    columns: Declared = (
        ("Name", "string"),
        ("Summary", "string"),
        ("Runs", "string"),
        ("Aliases", "string"),
    )
    return ActionResult(tables={"Actions": result_table(columns, rows, "Actions")})
