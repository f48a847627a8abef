from typing import Annotated, Literal

from pydantic import PositiveInt

from actions.answers import made
from actions.context import Context
from actions.params import ActionParams, OutTable
from actions.registry import action
from actions.results import ActionResult
from engine.graph.spec import Graph, fold
from engine.layers.base import Aliases


class BuildModelParams(ActionParams):
    """Parameters of deepLearn.buildModel."""

    model_table: Annotated[OutTable, Aliases("model")]
    """The model to make."""
    type: Literal["CNN", "RNN", "DNN"] = "CNN"
    """Family of the network; it is shown and changes nothing."""
    n_threads: PositiveInt | None = None
    """Most threads to use; one is enough."""


@action("deepLearn.buildModel")
def build_model(ctx: Context, p: BuildModelParams) -> ActionResult:
    """Make an empty model.

    Raises:
        TableExists: the name is taken and ``replace`` is false.
    """
    graph = Graph(fold(p.model_table.name), p.type)
    return made(ctx.models.create(p.model_table.output, graph))
