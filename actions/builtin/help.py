from typing import Annotated, Any

from actions.answers import Declared, result_table
from actions.builtin.list_actions import actions_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action, action_sets, find
from actions.results import ActionResult, Cell
from actions.sets import find_set, loaded_sets
from actions.spelling import json_schema
from engine.layers.base import Aliases


class HelpParams(ActionParams):
    """Parameters of builtins.help."""

    name: Annotated[str | None, Aliases("action")] = None
    """The action; left out: the actions of the set, or of all sets that are loaded."""
    action_set: str | None = None
    """The set."""
    show_hidden: bool = False
    """Accepted; nothing is hidden."""
    verbose: bool = False
    """Accepted; the answer is the same."""


@action("builtins.help")
def help_(ctx: Context, p: HelpParams) -> ActionResult:
    """Return what an action does and the parameters it takes, or which actions there are.

    Raises:
        UnknownAction: there is none of that name, or no such set.
    """
    loaded = loaded_sets(ctx.session)
    if p.name is not None:
        return _of_action(p.name, loaded)
    sets = loaded if p.action_set is None else (find_set(p.action_set),)
    known = action_sets()
    return ActionResult(tables={name: actions_table(known[name.lower()]) for name in sets})


def _of_action(name: str, loaded: tuple[str, ...]) -> ActionResult:
    declared = find(name, loaded)
    schema = json_schema(declared.params)
    required = schema.get("required", [])
    rows = [_row(each, facts, required) for each, facts in schema["properties"].items()]
    columns: Declared = (
        ("Name", "string"),
        ("Required", "int64"),
        ("Default", "string"),
        ("Description", "string"),
    )
    table = result_table(columns, rows, f"Parameters of {declared.name}")
    return ActionResult(
        tables={"Parameters": table}, values={"name": declared.name, "summary": declared.summary}
    )


def _row(name: str, schema: dict[str, Any], required: list[str]) -> tuple[Cell, ...]:
    default = schema.get("default")
    shown = None if default is None else str(default)
    return name, int(name in required), shown, schema.get("description", "")
