"""Fully connected layers into filters, so that a network slides over larger images."""

from collections.abc import Sequence
from dataclasses import replace as changed

from engine.errors import GraphError
from engine.graph.infer import infer_shapes
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph, Node
from engine.graph.walk import place
from engine.layers.base import BuildOptions
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.shapes import IMAGE_AXES, Shape
from engine.surgery.change import Change, Make, Read
from engine.weights import Float32

SCORES, MEAN = "scores", "mean"
"""What the two layers before a converted output are called, after its name."""


def fc_to_conv(graph: Graph, options: BuildOptions, size: tuple[int, int] | None = None) -> Change:
    """Return a graph whose fully connected layers are filters, for images of a size.

    A layer on C maps of H x W pixels becomes filters of H x W without padding, one that follows it
    filters of 1 x 1. An output layer becomes filters of 1 x 1 (its name with ``_scores``), the mean
    of their maps (``_mean``), and an output without weights. On images of the old size nothing
    changes; on larger ones there is a score for every place, and the output is their mean.

    Args:
        graph: with all shapes known.
        options: choices of the run.
        size: height and width of images; None leaves them.

    Raises:
        GraphError: there is no fully connected layer behind an image, no image or more than one, or
            another layer has weights for every pixel.
        ShapeError: a layer does not fit images of that size.

    Source: the deepLearn reference, facts F32 to F36.
    """
    following = max((node.id for node in graph.nodes), default=-1) + 1
    nodes: list[Node] = []
    made: dict[int, Make] = {}
    fresh: list[str] = []
    for node in graph.order:
        became = _converted(graph, node, nodes, options, following)
        nodes += became
        if became != [node]:
            holder = became[0]
            made[holder.id] = _turned(node.id)
            fresh += [each.name for each in became]
            following += len(became) - 1
    if not made:
        raise GraphError(
            f"model {graph.name!r} has no fully connected layer behind an image, expected an fc or "
            "output layer with one source",
            model=graph.name,
        )
    small = _graph(graph, nodes)
    if size is None:
        return Change(small, made, tuple(fresh))
    large = _resized(small, size)
    _check_same(small, large, options)
    return Change(large, made, tuple(fresh))


def _graph(graph: Graph, nodes: Sequence[Node]) -> Graph:
    return Graph(graph.name, graph.family, tuple(sorted(nodes, key=lambda node: node.id)))


def _converted(
    graph: Graph, node: Node, before: Sequence[Node], options: BuildOptions, following: int
) -> list[Node]:
    """Return what stands in a layer's place; the layer itself where it is none to convert."""
    layer = node.layer
    if not isinstance(layer, FullyConnected | Output) or len(node.sources) > 1 or node.shared:
        return [node]
    if isinstance(layer, FullyConnected) and layer.per_step:
        return [node]
    shape = infer_shapes(_graph(graph, before), options)[node.sources[0]] or ()
    if len(shape) != IMAGE_AXES or (isinstance(layer, Output) and not layer.full_connect):
        return [node]
    filters = _filters(layer, shape, options)
    if isinstance(layer, FullyConnected):
        return [changed(node, layer=filters)]
    scores = Node(following, _free(graph, f"{node.name}_{SCORES}"), filters, node.sources)
    mean = Node(following + 1, _free(graph, f"{node.name}_{MEAN}"), _WHOLE, (scores.name,))
    output = layer.model_copy(update={"full_connect": False})
    return [scores, mean, changed(node, layer=output, sources=(mean.name,))]


def _free(graph: Graph, name: str) -> str:
    """Return a name no layer has, the given one if it can be."""
    return name if name not in graph.by_name else _free(graph, f"{name}_")


_WHOLE = Pooling(width=0, height=0, pool="MEAN")


def _filters(layer: FullyConnected | Output, shape: Shape, options: BuildOptions) -> Convolution:
    """Return the filters that compute what a layer computes of maps of a shape."""
    if isinstance(layer, Output):
        act, function, rate = "IDENTITY", None, 0.0
    else:
        act, function = "TANH" if layer.act == "AUTO" else layer.act, layer.fcmp_act
        rate = options.dropout if layer.dropout is None else layer.dropout
    kept = ("init", "std", "mean", "truncation_factor", "init_bias", "include_bias")
    return Convolution.model_validate(
        {
            "n_filters": layer.n,
            "height": shape[1],
            "width": shape[2],
            "padding": 0,
            "act": act,
            "fcmp_act": function,
            "dropout": rate,
            **{name: getattr(layer, name) for name in kept},
        }
    )


def _turned(layer_id: int) -> Make:
    """Return how weights (inputs, n) become filters: inputs lie map by map, row by row."""

    def make(spec: SegmentSpec, read: Read) -> Float32:
        values = read(layer_id, spec.name)
        return values.T.reshape(spec.shape) if spec.name == "weight" else values

    return make


def _resized(graph: Graph, size: tuple[int, int]) -> Graph:
    images = [node for node in graph.nodes if isinstance(node.layer, Input) and _is_image(node)]
    if len(images) != 1:
        raise GraphError(
            f"model {graph.name!r} has {len(images)} input layers of images, expected one to "
            "change its size",
            model=graph.name,
        )
    (data,) = images
    layer = data.layer.model_copy(update={"height": size[0], "width": size[1]})
    return graph.replace_layer(data.name, layer)


def _is_image(node: Node) -> bool:
    return isinstance(node.layer, Input) and node.layer.n_channels is not None


def _check_same(small: Graph, large: Graph, options: BuildOptions) -> None:
    """Check that no tensor depends on the size of images."""
    for one, other in zip(layout(small, options), layout(large, options), strict=True):
        if one.shape != other.shape:
            (node,) = (node for node in small.nodes if node.id == one.layer_id)
            raise GraphError(
                f"{place(node.name, node.layer)} has weights of shape {one.shape} for images of "
                f"the old size and {other.shape} for those of the new, expected layers that slide",
                layer=node.name,
            )
