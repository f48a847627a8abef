"""What weights know of the data and the model they were trained on."""

from collections.abc import Sequence
from dataclasses import replace as changed

from pydantic import ValidationError

from actions.context import Context
from actions.extended import OWN_SET, attributes_of
from actions.params import TableRef
from actions.ports import TableInfo, WeightsHeader
from actions.results import Json
from engine.data.schema import Schema, bound_graph
from engine.errors import GraphError, WeightsError
from engine.graph.declaration import declared as declared
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions

Layout = Sequence[SegmentSpec]


def known_graph(
    ctx: Context, model: TableRef, weights: TableRef | None
) -> tuple[Graph, BuildOptions]:
    """Return a model's graph, bound to data as far as weights know it, and checked against them.

    Args:
        ctx: the stores to look in.
        model: the model.
        weights: a weight table; None leaves the graph as it was declared.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
    """
    graph = ctx.models.load(model.address).graph
    if weights is None:
        return graph, BuildOptions()
    info = ctx.tables.find(weights.address)
    if info.kind == "data":
        attached = attached_schema(info)
        if attached is None:
            return graph, BuildOptions()
        return bind_weights(info, attached, graph), attached.options
    info, header = ctx.weights.load(weights.address)
    schema = read_schema(info, header)
    if schema is None:
        return graph, BuildOptions()
    bound = bind_weights(info, schema, graph)
    check_layout(info, header.specs, bound, schema.options)
    return bound, schema.options


def read_schema(info: TableInfo, header: WeightsHeader) -> Schema | None:
    """Return the data schema kept with weights; None where they came without.

    Raises:
        WeightsError: it was written by a version this one cannot read.
    """
    if header.schema is None:
        return None
    try:
        return Schema.model_validate(header.schema)
    except ValidationError as error:
        raise _unreadable(info) from error


def attached_schema(info: TableInfo) -> Schema | None:
    """Return the data schema that came to a data table of weights with its attributes, if any.

    Raises:
        WeightsError: it was written by a version this one cannot read.
    """
    kept = attributes_of(info).get(OWN_SET, {}).get("schema")
    if kept is None:
        return None
    try:
        return Schema.model_validate_json(kept.text)
    except ValidationError as error:
        raise _unreadable(info) from error


def _unreadable(info: TableInfo) -> WeightsError:
    return WeightsError(
        f"weights {info.name!r} hold a data schema this version cannot read; train again",
        weights=info.name,
    )


def bind_weights(info: TableInfo, schema: Schema, graph: Graph) -> Graph:
    """Return the graph bound to the data its weights were trained on.

    Raises:
        WeightsError: the graph does not fit that data, so the weights are of another model.
    """
    try:
        return bound_graph(schema, graph)
    except GraphError as error:
        raise WeightsError(
            f"weights {info.name!r} belong to another model than {graph.name!r}: {error.message}",
            weights=info.name,
            model=graph.name,
            **error.details,
        ) from error


def check_layout(
    info: TableInfo,
    specs: Layout,
    graph: Graph,
    options: BuildOptions,
    *,
    partial: bool = False,
) -> None:
    """Check that weights have exactly the tensors of a bound graph.

    Args:
        info: the weights.
        specs: their tensors.
        graph: the layers.
        options: choices of the run.
        partial: layers of which they have nothing are left out.

    Raises:
        WeightsError: they have not; the message names the first layer that differs.
    """
    got, expected = _by_layer(specs), _by_layer(layout(graph, options))
    if partial:  # rows of the table are others
        got, expected = _without_rows(got), _without_rows(expected)
    nodes = {node.id: node for node in graph.nodes}
    for layer_id in sorted(got.keys() | expected.keys()):
        is_left_out = partial and layer_id not in got
        if is_left_out or got.get(layer_id) == expected.get(layer_id):
            continue
        node = nodes.get(layer_id)
        where = f"layer {node.name!r} ({node.layer.type})" if node else f"a layer of id {layer_id}"
        raise WeightsError(
            f"weights {info.name!r} belong to another model than {graph.name!r}: {where} got "
            f"{_shown(got.get(layer_id))}, expected {_shown(expected.get(layer_id))}",
            weights=info.name,
            model=graph.name,
            layer=node.name if node else None,
            layer_id=layer_id,
        )


def _by_layer(specs: Layout) -> dict[int, list[SegmentSpec]]:
    found: dict[int, list[SegmentSpec]] = {}
    for spec in specs:
        found.setdefault(spec.layer_id, []).append(spec)
    return found


def _without_rows(layers: dict[int, list[SegmentSpec]]) -> dict[int, list[SegmentSpec]]:
    return {key: [changed(spec, first_row=0) for spec in specs] for key, specs in layers.items()}


def _shown(specs: Layout | None) -> str:
    if not specs:
        return "no weights"
    return ", ".join(f"{spec.name} {' x '.join(map(str, spec.shape))}" for spec in specs)


def check_declared(info: TableInfo, header: WeightsHeader, graph: Graph) -> None:
    """Check that a model is declared as it was when its weights were trained.

    Raises:
        WeightsError: it is not; the message names the first layer that differs, and how.
    """
    kept = header.lineage.get("layers")
    if not isinstance(kept, list):
        return
    trained = {each["name"]: each for each in kept if isinstance(each, dict)}
    current = {each["name"]: each for each in declared(graph)}
    for name in dict.fromkeys([*current, *trained]):
        if trained.get(name) == current.get(name):
            continue
        change = _change(trained.get(name), current.get(name))
        raise WeightsError(
            f"weights {info.name!r} belong to another model than {graph.name!r}: "
            f"layer {name!r} {change}",
            weights=info.name,
            model=graph.name,
            layer=name,
        )


def _change(trained: dict[str, Json] | None, current: dict[str, Json] | None) -> str:
    if trained is None:
        return "was added since they were trained"
    if current is None:
        return "was removed since they were trained"
    for key in ("id", "sources", "shared"):
        if trained.get(key) != current.get(key):
            return f"has {key} {current.get(key)!r}, expected {trained.get(key)!r}"
    before, now = trained["layer"], current["layer"]
    if isinstance(before, dict) and isinstance(now, dict):
        for option in dict.fromkeys([*now, *before]):
            if before.get(option) != now.get(option):
                return f"has {option} {now.get(option)!r}, expected {before.get(option)!r}"
    return "differs"
