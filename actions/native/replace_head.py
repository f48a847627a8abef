from dataclasses import replace as changed

from actions.answers import output_tables
from actions.builtin.about import versions
from actions.context import Context
from actions.deeplearn.outputs import source_of
from actions.deeplearn.schemas import check_declared, known_graph
from actions.native.declare_model import LayerDeclaration
from actions.native.operating import OperationParams, check_outputs, tensors
from actions.params import LayerName
from actions.ports import WeightsHeader
from actions.registry import action
from actions.results import ActionResult, Json
from engine.graph.declaration import declared
from engine.graph.infer import known_shapes
from engine.graph.layout import layout
from engine.graph.spec import fold
from engine.layers.output import Output
from engine.surgery.change import Change
from engine.surgery.heads import NewLayer, trunk, with_head


class ReplaceHeadParams(OperationParams):
    """Parameters of castorch.replaceHead."""

    after: LayerName
    """The last layer that stays; all that leads to it stays too, and nothing else."""
    layers: tuple[LayerDeclaration, ...] = ()
    """The new layers; one without sources takes the layer before it, the first ``after``. Left out:
    an output layer ``out``."""


@action("castorch.replaceHead")
def replace_head(ctx: Context, p: ReplaceHeadParams) -> ActionResult:
    """Make a model of a trained one with another head, for transfer learning.

    The weights hold the layers that stay, and nothing for the new ones: as ``initWeights`` of
    dlTrain they start a training in which the new layers begin afresh. The value ``freeze`` names
    the layers that have weights and stay; ``freezeLayers`` of the optimizer keeps them as they are.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
        GraphError: there is no layer ``after`` or none can follow it, a name is taken, or a source
            does not exist.
        ShapeError: a layer does not fit.
        InvalidParameters: both results have one name.
        TableExists: a name is taken and ``replace`` is false.
    """
    check_outputs(ctx, p)
    stored = ctx.models.load(p.model_table.address)
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    known_shapes(graph, options)
    info, header = ctx.weights.load(p.init_weights.address)
    check_declared(info, header, stored.graph)
    kept = trunk(graph, p.after)
    plain = changed(with_head(stored.graph, p.after, _head(p)), name=fold(p.cas_out.name))
    specs = layout(kept, options)
    facts: dict[str, Json] = {
        "head": {"model": source_of(stored.info), "weights": source_of(info), "after": p.after},
        "partial": True,
        "versions": {**versions()},
        "layers": [*declared(plain)],
    }
    made = WeightsHeader(specs, facts)
    with ctx.weights.stage(made, tensors(ctx, info, header, made, Change(kept))) as staged:
        model = ctx.models.create(p.cas_out.output, plain)
        weights = ctx.tables.publish((staged, p.model_weights.output))[0]
    holders = {spec.layer_id for spec in specs}
    return ActionResult(
        tables={"OutputCasTables": output_tables(model, weights)},
        values={"freeze": [node.name for node in kept.nodes if node.id in holders]},
    )


def _head(p: ReplaceHeadParams) -> tuple[NewLayer, ...]:
    if not p.layers:
        return (("out", Output(), (), None),)
    return tuple((each.name, each.layer, each.src_layers, each.shared_weights) for each in p.layers)
