"""Rules of a whole graph that need no tensors: shapes, binding to data, completeness, cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from math import prod

from engine.errors import GraphError
from engine.graph.dealing import check_dealing
from engine.graph.reach import Field, receptive_fields
from engine.graph.sharing import check_shared_tensors
from engine.graph.spec import Graph, Node, fold
from engine.graph.walk import Shapes, listed, place, source_shapes, walk
from engine.layers.base import BuildOptions, Layer, Part, Target, TaskLayer
from engine.layers.input import Input
from engine.shapes import Shape


@dataclass(frozen=True)
class LayerAccount:
    """What one layer costs; None where it depends on data which has not been seen.

    Attributes:
        type: wire name of the layer type.
        weights: values in the weights part; regularised.
        biases: values in the biases part, with gamma and beta of batch normalisation. Shared
            tensors count in the layer that owns them.
        statistics: stored values which are no parameters (mean and standard deviation).
        multiply_adds: multiplications of a forward pass of one example.
        receptive_field: height and width in pixels of the image that one pixel of the output
            depends on; None also where that has no meaning, see ``engine.graph.reach``.
    """

    id: int
    name: str
    type: str
    sources: tuple[str, ...]
    shape: Shape | None
    weights: int | None
    biases: int | None
    statistics: int | None
    multiply_adds: int | None
    receptive_field: Field | None = None

    @property
    def activations(self) -> int | None:
        """Values of the output for one example."""
        return None if self.shape is None else prod(self.shape)


def infer_shapes(graph: Graph, options: BuildOptions | None = None) -> dict[str, Shape | None]:
    """Return every layer's output shape by name, None where it depends on data not seen yet.

    Raises:
        ShapeError: a layer does not fit its sources; the message begins with its name and type.
    """
    shapes = walk(graph.order, options or BuildOptions())
    return {node.name: shapes[node.name] for node in graph.nodes}


def known_shapes(graph: Graph, options: BuildOptions) -> dict[str, Shape]:
    """Return every layer's output shape by name.

    Raises:
        GraphError: a shape depends on data which has not been seen.
        ShapeError: a layer does not fit its sources, or the layer whose weights it shares.
    """
    shapes = infer_shapes(graph, options)
    known = {name: shape for name, shape in shapes.items() if shape is not None}
    unknown = [node for node in graph.nodes if node.name not in known]
    if unknown:
        raise GraphError(
            f"{place(unknown[0].name, unknown[0].layer)} has no shape yet, expected a model bound "
            "to its data",
            layers=[node.name for node in unknown],
        )
    check_shared_tensors(graph.nodes, graph.by_name, known, options)
    return known


def known_sources(graph: Graph, node: Node, shapes: Mapping[str, Shape]) -> tuple[Shape, ...]:
    """Return the shapes a node sees of its sources, when all are known."""
    sources = source_shapes(node, graph.by_name, shapes)
    assert sources is not None  # noqa: S101 - no shape is None
    return sources


def bind(graph: Graph, inputs: Mapping[str, Shape], targets: Mapping[str, Target]) -> Graph:
    """Return the graph with input shapes and targets filled in, every shape known.

    Args:
        graph: the declared layers.
        inputs: shape of one row by name of input layer.
        targets: by name of task layer.

    Raises:
        GraphError: a name is no input or task layer, one is missing, or a layer cannot take it.
        ShapeError: a layer does not fit its sources.
    """
    shapes = {fold(name): shape for name, shape in inputs.items()}
    wanted = {fold(name): target for name, target in targets.items()}
    _check_names(shapes, (n for n in graph.nodes if isinstance(n.layer, Input)), "an input layer")
    _check_names(wanted, (n for n in graph.nodes if n.layer.is_task), "a task layer")
    nodes = tuple(changed(node, layer=_bound(node, shapes, wanted)) for node in graph.nodes)
    bound = Graph(graph.name, graph.family, nodes)
    known_shapes(bound, BuildOptions())
    return bound


def check_trainable(graph: Graph) -> None:
    """Check that a graph can be trained and scored.

    Raises:
        GraphError: there is no input layer, no task layer, a layer that no task layer uses, or a
            part of an output that no layer takes.
    """
    if not any(isinstance(node.layer, Input) for node in graph.nodes):
        raise GraphError(f"model {graph.name!r} has no input layer, expected at least one")
    useful = {node.name for node in graph.nodes if node.layer.is_task}
    if not useful:
        raise GraphError(
            f"model {graph.name!r} has no task layer, expected at least one; add an output layer"
        )
    for node in reversed(graph.order):
        if node.name in useful:
            useful.update(node.sources)
    useless = [node.name for node in graph.nodes if node.name not in useful]
    if useless:
        raise GraphError(
            f"model {graph.name!r} has layers that lead to no output: {listed(useless)}; "
            "remove them or add an output layer after them",
            layers=useless,
        )
    check_dealing(graph.nodes, graph.by_name, is_complete=True)


def account(graph: Graph, options: BuildOptions | None = None) -> list[LayerAccount]:
    """Return the cost of every layer in order of id.

    Raises:
        ShapeError: a layer does not fit its sources.
    """
    chosen = options or BuildOptions()
    shapes = infer_shapes(graph, chosen)
    fields = receptive_fields(graph.order, graph.by_name, shapes, chosen)
    return [
        changed(_account(graph, node, shapes, chosen), receptive_field=fields[node.name])
        for node in graph.nodes
    ]


def _account(graph: Graph, node: Node, shapes: Shapes, options: BuildOptions) -> LayerAccount:
    sources, shape = source_shapes(node, graph.by_name, shapes), shapes[node.name]
    facts = (node.id, node.name, node.layer.type, node.sources, shape)
    if sources is None or (sources and shape is None):
        return LayerAccount(*facts, None, None, None, None)
    sizes: dict[Part, int] = {"weights": 0, "biases": 0, "statistics": 0}
    for spec in node.layer.tensors(sources, options) if node.shared is None else ():
        sizes[spec.part] += spec.size
    cost = node.layer.multiply_adds(sources, options)
    return LayerAccount(*facts, sizes["weights"], sizes["biases"], sizes["statistics"], cost)


def _bound(node: Node, shapes: Mapping[str, Shape], targets: Mapping[str, Target]) -> Layer:
    layer = node.layer
    try:
        if isinstance(layer, Input) and node.name in shapes:
            return layer.bind_shape(shapes[node.name])
        if isinstance(layer, TaskLayer):
            return layer.bind(targets[node.name])
    except GraphError as error:
        raise GraphError(
            f"{place(node.name, layer)} {error.message}", layer=node.name, **error.details
        ) from error
    return layer


def _check_names(given: Iterable[str], nodes: Iterable[Node], what: str) -> None:
    """Check that names are those of layers which take data, and that none is missing."""
    known = {node.name: node for node in nodes}
    for name in given:
        if name not in known:
            raise GraphError(
                f"got data for {name!r}, expected {what}: {listed(list(known))}",
                layer=name,
                expected=list(known),
            )
    for name, node in known.items():
        declared = node.layer.shape if isinstance(node.layer, Input) else None
        if name not in given and declared is None:
            raise GraphError(
                f"{place(name, node.layer)} got no data, expected columns or an image",
                layer=name,
            )
