from actions.context import Context
from actions.params import ActionParams, OutTable, TableRef
from actions.registry import action
from actions.results import ActionResult


class CasCommonParams(ActionParams):
    """Parameters of builtins.casCommon: a table to read and one to make, for clients to look at."""

    castable: TableRef | None = None
    """Accepted; what may be said of a table to read."""
    casouttable: OutTable | None = None
    """Accepted; what may be said of a table to make."""


@action("builtins.casCommon")
def cas_common(ctx: Context, p: CasCommonParams) -> ActionResult:
    """Do nothing; its parameters tell clients what all tables have in common."""
    del ctx, p
    return ActionResult()
