from typing import Annotated, Literal

from actions.answers import made
from actions.context import Context
from actions.params import ActionParams, AnyLayer, LayerName, OutTable
from actions.registry import action
from actions.results import ActionResult
from engine.graph.spec import Graph, fold
from engine.layers.base import Aliases


class LayerDeclaration(ActionParams):
    """One layer of a declared model."""

    name: LayerName
    """Name of the layer, unique in the model, without regard to case."""
    layer: AnyLayer
    """Type and options of the layer."""
    src_layers: tuple[LayerName, ...] = ()
    """Layers declared before it whose outputs it takes, in order."""
    shared_weights: Annotated[LayerName | None, Aliases("sharingWeights")] = None
    """Layer declared before it, of the same type, whose weights it uses."""


class DeclareModelParams(ActionParams):
    """Parameters of castorch.declareModel."""

    model_table: Annotated[OutTable, Aliases("model")]
    """The model to make."""
    type: Literal["CNN", "RNN", "DNN"] = "CNN"
    """Family of the network; it is shown and changes nothing."""
    layers: tuple[LayerDeclaration, ...]
    """Its layers, sources before the layers that use them."""


@action("castorch.declareModel")
def declare_model(ctx: Context, p: DeclareModelParams) -> ActionResult:
    """Make a model with all its layers, or nothing.

    Raises:
        TableExists: the name is taken and ``replace`` is false.
        GraphError: a name is taken, or a source does not exist.
        ShapeError: a layer does not fit its sources.
    """
    graph = Graph(fold(p.model_table.name), p.type)
    for each in p.layers:
        graph = graph.add(each.name, each.layer, each.src_layers, shared=each.shared_weights)
    return made(ctx.models.create(p.model_table.output, graph))
