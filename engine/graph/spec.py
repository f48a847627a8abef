"""The immutable graph of declared layers; every change returns a new one, validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from engine.errors import GraphError
from engine.graph.dealing import check_dealing
from engine.graph.regions import per_region
from engine.graph.sharing import check_anchors, check_shared_tensors
from engine.graph.walk import infer_node, listed, place, walk
from engine.layers.base import BuildOptions, Layer
from engine.shapes import Shape


@dataclass(frozen=True)
class Node:
    """A layer in its place.

    Attributes:
        id: 0-based, in order of addition; kept for life, so that weight tables stay valid.
        name: lower case; the key of every look-up.
        sources: names of the layers whose outputs it takes, in order; may repeat.
        shared: name of the layer whose weights it uses; None when it owns its own.
    """

    id: int
    name: str
    layer: Layer
    sources: tuple[str, ...] = ()
    shared: str | None = None


def fold(name: str) -> str:
    """Return a model's or layer's name as it is stored: trimmed and in lower case."""
    return name.strip().lower()


@dataclass(frozen=True)
class Graph:
    """A network: its name, the family it was declared as, its layers in order of id.

    Sources are declared before the layers that use them, except after a replacement, which is
    checked for cycles.
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

    @cached_property
    def order(self) -> tuple[Node, ...]:
        """The nodes with sources first, by id where that is an order already.

        Raises:
            GraphError: layers feed one another in a circle.
        """
        ids = {node.name: node.id for node in self.nodes}
        if all(ids[source] < node.id for node in self.nodes for source in node.sources):
            return self.nodes
        try:
            names = TopologicalSorter({n.name: n.sources for n in self.nodes}).static_order()
            return tuple(self.by_name[name] for name in names)
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            raise GraphError(
                f"layers {' -> '.join(map(repr, circle))} feed one another in a circle",
                layers=circle,
            ) from error

    @cached_property
    def shapes(self) -> dict[str, Shape | None]:
        """Output shapes by name under default options, None where data decides.

        Raises:
            ShapeError: a layer does not fit its sources.
        """
        return walk(self.order, BuildOptions())

    def add(
        self,
        name: str,
        layer: Layer,
        sources: Sequence[str] = (),
        *,
        replacing: bool = False,
        shared: str | None = None,
    ) -> "Graph":
        """Return the graph with one layer more, or with a layer of the same name replaced.

        A replaced layer keeps its id. Shapes are checked as far as they are known.

        Args:
            name: in any case.
            layer: type and options.
            sources: names of the layers it takes, in order.
            replacing: whether a layer of the name may be replaced.
            shared: a layer of the same type whose weights it uses; if that one uses those of a
                third, the third is meant.

        Raises:
            GraphError: the name is empty or taken, a source or ``shared`` does not exist, a source
                closes a cycle or has all its destinations, the number of sources is not one the
                layer takes, or ``shared`` is of another type.
            ShapeError: the layer, or one that follows it, does not fit, or ``shared`` does not own
                what it needs.
        """
        folded = fold(name)
        if not folded:
            raise GraphError(f"the name of a layer got {name!r}, expected at least one character")
        found = self.by_name.get(folded)
        if found is not None and not replacing:
            raise GraphError(
                f"layer {folded!r} exists in model {self.name!r} already, expected another name "
                "or replace",
                layer=folded,
                model=self.name,
            )
        names = tuple(self.node(source).name for source in sources)
        self._check_sources(folded, layer, names)
        layer = per_region(layer, names, self.by_name)
        anchor = None if shared is None else self.node(shared)
        owner = None if anchor is None else anchor.shared or anchor.name
        if found is not None:
            return self._with(changed(found, layer=layer, sources=names, shared=owner))
        following = max((node.id for node in self.nodes), default=-1) + 1
        return self._appended(Node(following, folded, layer, names, owner))

    def remove(self, name: str) -> "Graph":
        """Return the graph without a layer; ids of the others stay.

        Raises:
            GraphError: there is no such layer, or others use it as a source or share its weights.
        """
        gone = self.node(name)
        users = [node.name for node in self.nodes if gone.name in node.sources]
        if users:
            raise GraphError(
                f"{place(gone.name, gone.layer)} cannot be removed, it is a source of "
                f"{listed(users)}; remove what follows first",
                layer=gone.name,
                users=users,
            )
        sharers = [node.name for node in self.nodes if node.shared == gone.name]
        if sharers:
            raise GraphError(
                f"{place(gone.name, gone.layer)} cannot be removed, its weights are shared by "
                f"{listed(sharers)}; remove those first",
                layer=gone.name,
                users=sharers,
            )
        return changed(self, nodes=tuple(node for node in self.nodes if node is not gone))

    def replace_layer(self, name: str, layer: Layer) -> "Graph":
        """Return the graph with other options, or another type, for a layer in its place.

        Raises:
            GraphError: there is no such layer, or the new one does not take its sources.
            ShapeError: the layer, or one that follows it, does not fit.
        """
        node = self.node(name)
        self._check_sources(node.name, layer, node.sources)
        layer = per_region(layer, node.sources, self.by_name)
        return self._with(changed(node, layer=layer))

    def _with(self, node: Node) -> "Graph":
        nodes = tuple(node if each.id == node.id else each for each in self.nodes)
        graph = changed(self, nodes=nodes)
        users = [each.name for each in nodes if node.name in each.sources]
        if not node.layer.feeds and users:
            raise GraphError(
                f"{place(node.name, node.layer)} ends a network, expected no layer after it; "
                f"got {listed(users)}",
                layer=node.name,
                users=users,
            )
        check_anchors(nodes, graph.by_name)
        check_dealing(nodes, graph.by_name)
        check_shared_tensors(nodes, graph.by_name, graph.shapes, BuildOptions())
        return graph

    def _appended(self, node: Node) -> "Graph":
        """Return the graph with a node at its end, inferring no shape but the new one."""
        by_name = {**self.by_name, node.name: node}
        check_anchors([node], by_name)
        check_dealing([self.by_name[source] for source in node.sources], by_name)
        shape = infer_node(node, by_name, self.shapes, BuildOptions())
        shapes = {**self.shapes, node.name: shape}
        check_shared_tensors([node], by_name, shapes, BuildOptions())
        graph = changed(self, nodes=(*self.nodes, node))
        vars(graph).update(by_name=by_name, shapes=shapes)
        return graph

    def _check_sources(self, name: str, layer: Layer, sources: Sequence[str]) -> None:
        least, most = layer.arity.least, layer.arity.most
        if len(sources) < least or (most is not None and len(sources) > most):
            raise GraphError(
                f"{place(name, layer)} got {len(sources)} sources, expected {_counted(layer)}",
                layer=name,
                got=len(sources),
            )
        for source in sources:
            if not self.node(source).layer.feeds:
                raise GraphError(
                    f"{place(name, layer)} got source {source!r}, which ends a network; "
                    "expected a layer without a loss",
                    layer=name,
                    source=source,
                )


def _counted(layer: Layer) -> str:
    least, most = layer.arity.least, layer.arity.most
    if most == 0:
        return "none"
    if most is None:
        return f"at least {least}"
    return f"{least}" if least == most else f"{least} to {most}"
