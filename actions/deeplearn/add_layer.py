from typing import Annotated

from pydantic import PositiveInt

from actions.answers import made
from actions.context import Context
from actions.params import ActionParams, AnyLayer, LayerName, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class AddLayerParams(ActionParams):
    """Parameters of deepLearn.addLayer."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model to change."""
    name: LayerName
    """Name of the layer, unique in the model, without regard to case."""
    layer: AnyLayer
    """Type and options of the layer."""
    src_layers: tuple[LayerName, ...] = ()
    """Layers whose outputs it takes, in order; none for an input layer."""
    shared_weights: Annotated[LayerName | None, Aliases("sharingWeights")] = None
    """Layer of the same type whose weights it uses; left out: it has its own."""
    replace: bool = False
    """Replace a layer of that name; it keeps its id."""
    n_threads: PositiveInt | None = None
    """Most threads to use; one is enough."""


@action("deepLearn.addLayer")
def add_layer(ctx: Context, p: AddLayerParams) -> ActionResult:
    """Add a layer to a model, or replace one.

    Shapes are checked as far as they are known before anything is stored, so a layer that does not
    fit leaves the model as it was.

    Raises:
        TableNotFound: the session sees no model of that name.
        WrongKind: the table is no model.
        GraphError: the name is taken, a source does not exist or closes a cycle, or the layer whose
            weights it shares is of another type.
        ShapeError: the layer, or one after it, does not fit its sources, or it needs other weights
            than those it shares.
        Conflict: another session changed the model at the same time.
    """
    stored = ctx.models.load(p.model_table.address)
    graph = stored.graph.add(
        p.name, p.layer, p.src_layers, replacing=p.replace, shared=p.shared_weights
    )
    return made(ctx.models.save(stored, graph))
