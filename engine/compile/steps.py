"""How the true lengths of sequences reach the layers that take them."""

from collections.abc import Iterable, Mapping

import torch
from torch import fx

from engine.graph.spec import Graph, Node
from engine.layers.input import Input
from engine.shapes import SEQUENCE_AXES


def sequence_inputs(graph: Graph) -> tuple[tuple[Node, int], ...]:
    """Return the input layers whose rows are sequences, in order of id, and their steps."""
    shapes = [(n, n.layer.shape) for n in graph.nodes if isinstance(n.layer, Input)]
    return tuple((n, shape[0]) for n, shape in shapes if shape and len(shape) == SEQUENCE_AXES)


def wire_lengths(calls: fx.Graph, graph: Graph) -> dict[str, fx.Node]:
    """Add an entry per input layer of sequences, and return the true lengths of layers' sources.

    Where sources of several inputs meet, the longest row counts. A layer is not in the result if
    the steps of one of its sources are not those of an input.
    """
    own: dict[str, fx.Node] = {
        node.name: calls.placeholder(f"lengths_{node.id}") for node, _ in sequence_inputs(graph)
    }
    taken: dict[str, fx.Node] = {}
    for node in graph.order:
        longest = _longest(calls, node.sources, own)
        if longest is not None:
            taken[node.name] = longest
            if node.layer.keeps_steps:
                own[node.name] = longest
    return taken


def _longest(calls: fx.Graph, sources: Iterable[str], own: Mapping[str, fx.Node]) -> fx.Node | None:
    found = [own.get(source) for source in sources]
    known = list(dict.fromkeys(each for each in found if each is not None))
    if not known or None in found:
        return None
    longest = known[0]
    for other in known[1:]:
        longest = calls.call_function(torch.maximum, (longest, other))
    return longest
