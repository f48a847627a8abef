from typing import Annotated

from actions.context import Context
from actions.errors import CaslibNotFound
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class QueryCaslibParams(ActionParams):
    """Parameters of table.queryCaslib."""

    caslib: Annotated[str, Aliases("name")]
    """The caslib."""


@action("table.queryCaslib")
def query_caslib(ctx: Context, p: QueryCaslibParams) -> ActionResult:
    """Return whether the session sees a caslib, under its name as it was written."""
    try:
        ctx.caslibs.find(p.caslib)
    except CaslibNotFound:
        return ActionResult(values={p.caslib: False})
    return ActionResult(values={p.caslib: True})
