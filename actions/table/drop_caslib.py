from typing import Annotated

from actions.context import Context
from actions.errors import CaslibNotFound
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class DropCaslibParams(ActionParams):
    """Parameters of table.dropCaslib."""

    caslib: Annotated[str, Aliases("name")]
    """The caslib."""
    quiet: bool = False
    """Do nothing, and raise no error, if there is no such caslib."""


@action("table.dropCaslib")
def drop_caslib(ctx: Context, p: DropCaslibParams) -> ActionResult:
    """Remove a caslib and the tables in it; the files in its folder stay.

    Raises:
        CaslibNotFound: the session sees no such caslib.
        NotPermitted: it is a built-in one.
    """
    try:
        ctx.caslibs.drop(p.caslib)
    except CaslibNotFound:
        if not p.quiet:
            raise
    return ActionResult()
