"""The immutable graph of declared layers; every change returns a new one, validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from engine.errors import GraphError
from engine.layers.base import Layer


@dataclass(frozen=True)
class Node:
    """A layer in its place.

    Attributes:
        id: 0-based, in order of addition; kept for life, so that weight tables stay valid.
        name: lower case; the key of every look-up.
        sources: names of the layers whose outputs it takes, in order; may repeat.
    """

    id: int
    name: str
    layer: Layer
    sources: tuple[str, ...] = ()


def fold(name: str) -> str:
    """Return a model's or layer's name as it is stored: trimmed and in lower case."""
    return name.strip().lower()


@dataclass(frozen=True)
class Graph:
    """A network: its name, the family it was declared as, its layers in order of id.

    Sources are always declared before the layers that use them, so there are no cycles to find,
    except through ``replace``, which is checked.
    """

    name: str
    family: str = "CNN"
    nodes: tuple[Node, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """Return a layer's node.

        Raises:
            GraphError: there is no such layer; the message names the nearest.
        """
        found = self.by_name.get(fold(name))
        if found is None:
            near = get_close_matches(fold(name), self.by_name, n=3)
            hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
            raise GraphError(
                f"the layer {name!r} does not exist in model {self.name!r}{hint}",
                layer=name,
                model=self.name,
                nearest=near,
            )
        return found

    def add(
        self, name: str, layer: Layer, sources: Sequence[str] = (), *, replacing: bool = False
    ) -> "Graph":
        """Return the graph with one layer more, or with a layer of the same name replaced.

        A replaced layer keeps its id. Shapes are checked as far as they are known.

        Raises:
            GraphError: the name is empty or taken, a source does not exist or closes a cycle, or
                the number of sources is not one the layer takes.
            ShapeError: the layer, or one that follows it, does not fit.
        """
        raise NotImplementedError

    def remove(self, name: str) -> "Graph":
        """Return the graph without a layer; ids of the others stay.

        Raises:
            GraphError: there is no such layer, or others use it as a source.
        """
        raise NotImplementedError
