from typing import Annotated

from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from actions.table.add_caslib import caslib_table
from engine.layers.base import Aliases


class CaslibInfoParams(ActionParams):
    """Parameters of table.caslibInfo."""

    caslib: str | None = None
    """One caslib; left out: all the session sees."""
    active: bool = False
    """Only the active one."""
    src_type: Annotated[str | None, Aliases("sourceType")] = None
    """Only those of a kind, in any case; all here are of the kind PATH."""
    verbose: bool = False
    """Accepted; the answer is the same."""


@action("table.caslibInfo")
def caslib_info(ctx: Context, p: CaslibInfoParams) -> ActionResult:
    """Return the caslibs the session sees, with their folders.

    Raises:
        CaslibNotFound: the session sees no such caslib.
    """
    is_one = p.active or p.caslib is not None
    found = [ctx.caslibs.find(p.caslib)] if is_one else ctx.caslibs.list()
    if p.src_type is not None and p.src_type.upper() != "PATH":
        found = []
    return ActionResult(tables={"CASLibInfo": caslib_table(found, ctx.session.active_caslib)})
