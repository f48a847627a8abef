from collections.abc import Iterable

from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import Action, action, action_sets
from actions.results import ActionResult, ResultTable
from actions.sets import find_set

_COLUMNS: Declared = (
    ("name", "string"),
    ("description", "string"),
    ("runs", "string"),
    ("aliases", "string"),
)


class ListActionsParams(ActionParams):
    """Parameters of builtins.listActions."""

    action_set: str | None = None
    """One set; left out: all."""


@action("builtins.listActions")
def list_actions(ctx: Context, p: ListActionsParams) -> ActionResult:
    """Return the actions this server knows: a table for every set.

    Asked for one set, the answer names it as it was asked for.

    Raises:
        UnknownAction: there is no set of that name.
    """
    del ctx
    sets = action_sets()
    if p.action_set is not None:
        found = sets[find_set(p.action_set).lower()]
        return ActionResult(tables={p.action_set: actions_table(found)})
    return ActionResult(tables={found[0].set_name: actions_table(found) for found in sets.values()})


def actions_table(actions: Iterable[Action]) -> ResultTable:
    """Return the actions of a set: what they do, where they run, their other names."""
    found = list(actions)
    rows = [
        (_own(each.name), each.summary, each.runs, ", ".join(map(_own, each.aliases)))
        for each in found
    ]
    return result_table(_COLUMNS, rows, f"Actions of {found[0].set_name}")


def _own(name: str) -> str:
    return name.partition(".")[2]
