from typing import Annotated, Literal

from actions.answers import made
from actions.context import Context
from actions.deeplearn.from_layout import read_model
from actions.deeplearn.layout import MODEL_SCHEMA
from actions.errors import InvalidParameters
from actions.params import ActionParams, AnyLayer, LayerName, OutTable, TableRef
from actions.reading import open_table
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
    """Family of the network; it is shown and changes nothing. With ``fromTable`` that one's."""
    layers: tuple[LayerDeclaration, ...] = ()
    """Its layers, sources before the layers that use them."""
    from_table: TableRef | None = None
    """In place of ``layers``: a table with the five columns of a model table."""


@action("castorch.declareModel")
def declare_model(ctx: Context, p: DeclareModelParams) -> ActionResult:
    """Make a model with all its layers, or nothing.

    The layers are listed, or read from a table with the columns ``_DLKey0_``, ``_DLKey1_``,
    ``_DLChrVal_``, ``_DLNumVal_`` and ``_DLLayerID_``, as ``table.fetch`` and ``table.save`` give a
    model; layers read so keep their ids, so that weights of the model fit.

    Raises:
        InvalidParameters: neither or both of ``layers`` and ``fromTable`` have a value, or an
            option has a value its layer does not take.
        TableExists: the name is taken and ``replace`` is false.
        TableNotFound: the session sees no table ``fromTable``.
        ColumnNotFound: it lacks one of the columns.
        DataError: a row of it has no meaning; the message names the nearest key that has.
        GraphError: a name is taken, or a source does not exist.
        ShapeError: a layer does not fit its sources.
    """
    if bool(p.layers) == (p.from_table is not None):
        raise InvalidParameters(
            f"parameters 'layers' and 'fromTable' got {'two values' if p.layers else 'no value'}, "
            "expected exactly one",
            parameter="layers",
        )
    if p.from_table is not None:
        graph = _read(ctx, p.from_table, p.model_table.name)
    else:
        graph = Graph(fold(p.model_table.name), p.type)
    for each in p.layers:
        graph = graph.add(each.name, each.layer, each.src_layers, shared=each.shared_weights)
    return made(ctx.models.create(p.model_table.output, graph))


def _read(ctx: Context, ref: TableRef, name: str) -> Graph:
    table = open_table(ctx, ref, columns=tuple(MODEL_SCHEMA.names))
    batches = (batch.to_pydict().values() for batch in table.batches())
    return read_model((row for columns in batches for row in zip(*columns, strict=True)), name)
