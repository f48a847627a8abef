"""What actions that make a network of a trained one have in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Annotated

import numpy as np

from actions.answers import output_tables
from actions.builtin.about import versions
from actions.context import Context
from actions.deeplearn.outputs import refuse_taken, source_of
from actions.deeplearn.schemas import check_declared, known_graph
from actions.deeplearn.summary import model_info
from actions.errors import InvalidParameters
from actions.params import ActionParams, OutTable, TableRef
from actions.ports import TableInfo, WeightsHeader
from actions.results import ActionResult, Json
from engine.graph.declaration import declared
from engine.graph.infer import known_shapes
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph, Node, fold
from engine.layers.base import Aliases, BuildOptions
from engine.layers.input import Input
from engine.surgery.change import Change
from engine.weights import CHUNK_VALUES, Chunk, Float32

SIZED = ("width", "height", "full_connect")
"""Options of layers bound to data that a change may set."""


class OperationParams(ActionParams):
    """Parameters of every action that makes a network of a trained one."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef
    """Its weights."""
    cas_out: OutTable
    """The new model."""
    model_weights: OutTable
    """Its weights."""


@dataclass(frozen=True)
class Operation:
    """What an action does to a network.

    Attributes:
        name: what lineage calls it.
        change: makes the new graph of one that is bound to its data.
        schema: makes the data schema of the new weights.
    """

    name: str
    change: Callable[[Graph, BuildOptions], Change]
    schema: Callable[[dict[str, Json]], dict[str, Json]] = dict


def operate(ctx: Context, p: OperationParams, operation: Operation) -> ActionResult:
    """Make a model and its weights of another, both or none.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
        GraphError: the network is none that can be changed so, or its shapes are not known.
        TableExists: a name is taken and ``replace`` is false.
    """
    check_outputs(ctx, p)
    stored = ctx.models.load(p.model_table.address)
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    known_shapes(graph, options)
    info, header = ctx.weights.load(p.init_weights.address)
    check_declared(info, header, stored.graph)
    change = operation.change(graph, options)
    plain = changed(as_declared(change.graph, stored.graph), name=fold(p.cas_out.name))
    facts: dict[str, Json] = {
        **header.lineage,
        operation.name: {"model": source_of(stored.info), "weights": source_of(info)},
        "versions": {**versions()},
        "layers": [*declared(plain)],
    }
    schema = None if header.schema is None else operation.schema({**header.schema})
    made = WeightsHeader(layout(change.graph, options), facts, schema)
    with ctx.weights.stage(made, tensors(ctx, info, header, made, change)) as staged:
        model = ctx.models.create(p.cas_out.output, plain)
        weights = ctx.tables.publish((staged, p.model_weights.output))[0]
    return ActionResult(
        tables={
            "ModelInfo": model_info(change.graph, options),
            "OutputCasTables": output_tables(model, weights),
        },
        values={"changed": list(change.changed)},
    )


def check_outputs(ctx: Context, p: OperationParams) -> None:
    """Refuse, before any work, names that are taken or the same.

    Raises:
        TableExists: a name is taken and ``replace`` is false.
        InvalidParameters: both are one.
    """
    refuse_taken(ctx, p.cas_out)
    refuse_taken(ctx, p.model_weights)
    if fold(p.cas_out.name) == fold(p.model_weights.name):
        raise InvalidParameters(
            f"parameters 'casOut' and 'modelWeights' got one name, {p.cas_out.name!r}, expected "
            "two",
            parameter="modelWeights",
        )


def tensors(
    ctx: Context, info: TableInfo, header: WeightsHeader, made: WeightsHeader, change: Change
) -> Iterator[Chunk]:
    """Yield new weights in the order of their table; one tensor at a time is in memory."""
    specs = {(spec.layer_id, spec.name): spec for spec in header.specs}

    def read(layer_id: int, name: str) -> Float32:
        spec = specs[layer_id, name]
        chunks = ctx.weights.chunks(info, first_row=spec.first_row, rows=spec.size)
        return np.concatenate([chunk.values for chunk in chunks]).reshape(spec.shape)

    for spec in made.specs:
        yield from _chunks(spec, change.tensor(spec, read))


def _chunks(spec: SegmentSpec, values: Float32) -> Iterator[Chunk]:
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    for offset in range(0, spec.size, CHUNK_VALUES):
        yield Chunk(spec, offset, flat[offset : offset + CHUNK_VALUES])


def as_declared(made: Graph, stored: Graph) -> Graph:
    """Return a graph whose inputs and tasks are as they were before data was seen."""
    nodes = tuple(changed(node, layer=_declared(node, stored).layer) for node in made.nodes)
    return Graph(made.name, made.family, nodes)


def _declared(node: Node, stored: Graph) -> Node:
    old = stored.by_name.get(node.name)
    if old is None or not (node.layer.is_task or isinstance(node.layer, Input)):
        return node
    set_now = {
        name: getattr(node.layer, name)
        for name in SIZED
        if getattr(node.layer, name, None) != getattr(old.layer, name, None)
    }
    return changed(old, layer=old.layer.model_copy(update=set_now))
