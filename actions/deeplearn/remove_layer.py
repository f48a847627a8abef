from typing import Annotated

from pydantic import PositiveInt

from actions.answers import made
from actions.context import Context
from actions.params import ActionParams, LayerName, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class RemoveLayerParams(ActionParams):
    """Parameters of deepLearn.removeLayer."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model to change."""
    name: LayerName
    """The layer to remove."""
    n_threads: PositiveInt | None = None
    """Most threads to use; one is enough."""


@action("deepLearn.removeLayer")
def remove_layer(ctx: Context, p: RemoveLayerParams) -> ActionResult:
    """Remove a layer no other layer takes as its source; ids of the others stay.

    Raises:
        TableNotFound: the session sees no model of that name.
        WrongKind: the table is no model.
        GraphError: there is no such layer, or others use it.
        Conflict: another session changed the model at the same time.
    """
    stored = ctx.models.load(p.model_table.address)
    return made(ctx.models.save(stored, stored.graph.remove(p.name)))
