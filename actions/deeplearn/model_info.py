from typing import Annotated

from actions.context import Context
from actions.deeplearn.schemas import known_graph
from actions.deeplearn.summary import model_info as info_table
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class ModelInfoParams(ActionParams):
    """Parameters of deepLearn.modelInfo."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef | None = None
    """Weights to check against the model."""


@action("deepLearn.modelInfo")
def model_info(ctx: Context, p: ModelInfoParams) -> ActionResult:
    """Return what a model is made of, and check weights against it.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
    """
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    return ActionResult(tables={"ModelInfo": info_table(graph, options)})
