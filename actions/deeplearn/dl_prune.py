from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from actions.context import Context
from actions.deeplearn.pruning import prune
from actions.params import ActionParams, LayerName, OutTable, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class DlPruneParams(ActionParams):
    """Parameters of deepLearn.dlPrune; their names, but for the tables', are ours."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef
    """Its weights."""
    layer: Annotated[LayerName, Aliases("name")]
    """The layer that loses filters or neurons: convo, groupconvo, transconvo or fc."""
    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of its filters or neurons to remove, rounded down."""
    n_filters: Annotated[PositiveInt | None, Aliases("n")] = None
    """Number of them to remove, in place of ``fraction``."""
    norm: Literal["L1", "L2"] = "L1"
    """What filters are ranked by, the smallest go first: the sum of the sizes of their weights, or
    the root of the sum of squares."""
    cas_out: OutTable
    """The smaller model."""
    model_weights: OutTable
    """Its weights."""

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.fraction is None) == (self.n_filters is None):
            given = "neither" if self.fraction is None else "both"
            raise ValueError(f"'fraction' or 'nFilters' got {given}, expected one of them")
        return self


@action("deepLearn.dlPrune")
def dl_prune(ctx: Context, p: DlPruneParams) -> ActionResult:
    """Remove the filters or neurons of smallest norm from a layer, and what goes with them.

    Layers that follow lose the inputs that came from them: through batch normalisation, pooling,
    reshaping, concatenation, depthwise filters, and behind a flattening. Where maps are added (or
    scaled, or filters shared), those of the other layers go too, and norms are summed. The model
    keeps its layers, their names and ids; the weights score at once, and can be trained further.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
        GraphError: there is no such layer, it has nothing to remove, or its maps are held by
            another layer: an input they are added to, grouped filters, the task.
        InvalidParameters: nothing would go, or nothing be left.
        TableExists: a name is taken and ``replace`` is false.
    """
    return prune(ctx, p)
