from typing import Annotated

from pydantic import PositiveInt

from actions.context import Context
from actions.deeplearn.schemas import known_graph
from actions.deeplearn.summary import cost_table, layer_table, model_info
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class SummaryParams(ActionParams):
    """Parameters of castorch.summary."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef | None = None
    """Weights trained for it, from which sizes are taken that depend on data."""
    batch_size: Annotated[PositiveInt, Aliases("miniBatchSize")] = 1
    """Rows of a mini-batch, for the memory."""


@action("castorch.summary")
def summary(ctx: Context, p: SummaryParams) -> ActionResult:
    """Return a row per layer of a model: sources, shape, receptive field, parameters, memory.

    Memory is in bytes, of float32: activations as often as there are rows in a mini-batch; training
    counts activations twice (value, gradient) and parameters three times (value, gradient, solver).
    A receptive field is height x width in pixels of the image. ``Totals`` holds the sums.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
    """
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    layers = layer_table(graph, options, batch_rows=p.batch_size)
    info = model_info(graph, options, batch_rows=p.batch_size)
    return ActionResult(tables={"Layers": layers, "Totals": cost_table(layers), "ModelInfo": info})
