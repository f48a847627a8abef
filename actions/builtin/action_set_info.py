from importlib.metadata import version

from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action, action_sets
from actions.results import ActionResult
from actions.sets import loaded_sets


class ActionSetInfoParams(ActionParams):
    """Parameters of builtins.actionSetInfo."""

    all: bool = False
    """Also list the sets that are not loaded."""


@action("builtins.actionSetInfo")
def action_set_info(ctx: Context, p: ActionSetInfoParams) -> ActionResult:
    """Return the action sets, and whether the session has loaded them."""
    loaded = loaded_sets(ctx.session)
    names = [found[0].set_name for found in action_sets().values()]
    shown = [name for name in names if p.all or name in loaded]
    number = version("castorch-server")
    rows = [(name, name, int(name in loaded), "castorch", number) for name in shown]
    columns: Declared = (
        ("actionset", "string"),
        ("label", "string"),
        ("loaded", "int64"),
        ("product_name", "string"),
        ("version", "string"),
    )
    return ActionResult(tables={"setinfo": result_table(columns, rows, "Action set information")})
