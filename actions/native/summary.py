from typing import Annotated

from actions.context import Context
from actions.deeplearn.schemas import known_graph
from actions.deeplearn.summary import layer_table, model_info
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


@action("castorch.summary")
def summary(ctx: Context, p: SummaryParams) -> ActionResult:
    """Return a row per layer of a model: sources, output shape, parameters, multiplications.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
    """
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    return ActionResult(
        tables={"Layers": layer_table(graph, options), "ModelInfo": model_info(graph, options)}
    )
