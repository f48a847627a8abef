"""Outputs that are dealt out: who gets which part."""

from collections import Counter
from collections.abc import Iterable, Sequence

from engine.errors import GraphError
from engine.graph.walk import Layout, Placed, listed, place

Edge = tuple[str, int]
"""A layer and which of its sources is meant."""


def dealt_parts(nodes: Sequence[Placed]) -> dict[Edge, int]:
    """Return which part each edge carries, of the edges that begin at layers which deal out.

    Parts go to the layers that follow in the order in which these were added; a layer that names
    such a source several times takes several.

    Args:
        nodes: in the order they were added.
    """
    by_name = {node.name: node for node in nodes}
    taken: Counter[str] = Counter()
    parts: dict[Edge, int] = {}
    for node in nodes:
        for position, source in enumerate(node.sources):
            if by_name[source].layer.destinations is not None:
                parts[node.name, position] = taken[source]
                taken[source] += 1
    return parts


def check_dealing(nodes: Iterable[Placed], by_name: Layout, *, is_complete: bool = False) -> None:
    """Check that no layer has more destinations than it deals out parts.

    Args:
        nodes: the layers to look at.
        by_name: all layers.
        is_complete: whether every part must have a destination.

    Raises:
        GraphError: there are too many destinations, or too few.
    """
    for node in nodes:
        parts = node.layer.destinations
        if parts is None:
            continue
        users = [user.name for user in by_name.values() for s in user.sources if s == node.name]
        if len(users) > parts or (is_complete and len(users) < parts):
            raise GraphError(
                f"{place(node.name, node.layer)} has {len(users)} destinations"
                f"{': ' + listed(users) if users else ''}; expected {parts}, one for each part "
                "it deals out",
                layer=node.name,
                users=users,
                expected=parts,
            )
