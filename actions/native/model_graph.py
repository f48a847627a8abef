from typing import Annotated

from actions.context import Context
from actions.deeplearn.schemas import known_graph
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.drawing.svg import draw
from engine.layers.base import Aliases


class ModelGraphParams(ActionParams):
    """Parameters of castorch.modelGraph."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef | None = None
    """Weights trained for it, from which sizes are taken that depend on data."""


@action("castorch.modelGraph")
def model_graph(ctx: Context, p: ModelGraphParams) -> ActionResult:
    """Return a picture of a model: a box per layer, lines for what flows.

    The value ``svg`` holds it as SVG. Boxes tell name, type (of filters and pooling the window, its
    step after a slash) and output; batch normalisation stands as ``bn`` in the box of the layer
    before it where nothing else follows that.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
    """
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    return ActionResult(values={"svg": draw(graph, options)})
