"""Another end for a trained network."""

from collections.abc import Sequence
from dataclasses import replace as changed

from engine.errors import GraphError
from engine.graph.spec import Graph
from engine.graph.walk import place
from engine.layers.base import Layer

NewLayer = tuple[str, Layer, Sequence[str], str | None]
"""Name, layer, sources (without any it takes the layer before it), and whose weights it shares."""


def trunk(graph: Graph, last: str) -> Graph:
    """Return a graph up to a layer: that one, and all that leads to it.

    Raises:
        GraphError: there is no such layer, it ends a network, or layers that stay share weights of
            one that goes.
    """
    end = graph.node(last)
    if not end.layer.feeds:
        raise GraphError(
            f"{place(end.name, end.layer)} ends a network, expected a layer that others can follow",
            layer=end.name,
        )
    stays = {end.name}
    for node in reversed(graph.order):
        if node.name in stays:
            stays.update(node.sources)
    kept = tuple(node for node in graph.nodes if node.name in stays)
    for node in kept:
        if node.shared is not None and node.shared not in stays:
            raise GraphError(
                f"{place(node.name, node.layer)} uses the weights of layer {node.shared!r}, which "
                "does not stay; expected both to stay",
                layer=node.name,
                shared=node.shared,
            )
    return Graph(graph.name, graph.family, kept)


def with_head(graph: Graph, last: str, layers: Sequence[NewLayer]) -> Graph:
    """Return a graph up to a layer, and new layers behind it.

    New layers get ids that no layer had before, so that weights of one that is gone cannot be taken
    for theirs.

    Raises:
        GraphError: ``last`` cannot be followed, a name is taken, or a source does not exist.
        ShapeError: a layer does not fit.
    """
    kept = trunk(graph, last)
    free = max(node.id for node in graph.nodes) + 1
    grown, before = kept, graph.node(last).name
    for name, layer, sources, shared in layers:
        grown = grown.add(name, layer, sources or (before,), shared=shared)
        before = grown.nodes[-1].name
    fresh = grown.nodes[len(kept.nodes) :]
    numbered = [changed(node, id=free + at) for at, node in enumerate(fresh)]
    return Graph(graph.name, graph.family, (*kept.nodes, *numbered))
