from dataclasses import replace
from typing import Annotated

from actions.answers import made
from actions.context import Context
from actions.deeplearn.labels import labelled, read_labels
from actions.deeplearn.schemas import known_graph, read_schema
from actions.params import ActionParams, LayerName, OutTable, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.errors import WeightsError
from engine.layers.base import Aliases


class DlLabelTargetParams(ActionParams):
    """Parameters of deepLearn.dlLabelTarget."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model the weights belong to."""
    init_weights: TableRef
    """The weights whose target gets other names."""
    model_weights: OutTable
    """The same weights with the new names; with ``replace`` it may have the name of the others."""
    label_table: TableRef
    """A row per level: its number, counted from 0, in a numeric column, and its name in a character
    one; called ``label_id`` and ``label`` where there are more columns."""
    layer: LayerName | None = None
    """The task layer, where several have levels (ours)."""


@action("deepLearn.dlLabelTarget")
def dl_label_target(ctx: Context, p: DlLabelTargetParams) -> ActionResult:
    """Give the levels of a target other names, without training again.

    Names of scored columns and predicted levels follow; so does what a table must hold for its
    predictions to count as right. Levels without a row in the table keep their names.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        ColumnNotFound: the labels lack a column.
        InvalidParameters: the labels are not those of the target's levels.
        WeightsError: the weights belong to another model, or know no levels.
        TableExists: the name is taken and ``replace`` is false.
    """
    known_graph(ctx, p.model_table, p.init_weights)
    info, header = ctx.weights.load(p.init_weights.address)
    schema = read_schema(info, header)
    if schema is None:
        raise WeightsError(
            f"weights {info.name!r} know nothing of a target, expected weights of a training",
            weights=info.name,
        )
    named = labelled(info, schema, p.layer, read_labels(ctx, p.label_table))
    kept = replace(header, schema=named.model_dump(mode="json"))
    with ctx.weights.stage(kept, ctx.weights.chunks(info)) as staged:
        return made(*ctx.tables.publish((staged, p.model_weights.output)))
