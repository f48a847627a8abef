"""Taking the filters or neurons of smallest norm out of a network, with all that follows.

Source: Li, Kadav, Durdanovic, Samet and Graf, "Pruning filters for efficient ConvNets", 2017; that
filters whose maps are added are ranked by the sum of their norms is section 3.3 of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Literal

import numpy as np
import numpy.typing as npt

from engine.errors import GraphError
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph, Node
from engine.graph.walk import place
from engine.layers.base import BuildOptions
from engine.prune.units import PRUNABLE, UnitMap, Units, kept_sizes
from engine.weights import Float32

Norm = Literal["L1", "L2"]
Read = Callable[[SegmentSpec], Float32]
"""Returns a tensor of the weights, by its place in their table, in its shape."""
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pruned:
    """What is left of a network.

    Attributes:
        removed: the filters or neurons of the layer that go, from 0.
        kept: by layer, those of its maps or values that stay, for layers that lose some.
        takes: by layer id and tensor, what stays along its first axes; all of the others.
    """

    removed: tuple[int, ...]
    kept: Mapping[str, Rows]
    takes: Mapping[tuple[int, str], tuple[Rows, ...]]

    def shrink(self, graph: Graph) -> Graph:
        """Return a graph of the same layers without what goes; ids stay."""
        nodes = tuple(
            changed(node, layer=node.layer.model_copy(update=self._sizes(node)))
            for node in graph.nodes
        )
        return Graph(graph.name, graph.family, nodes)

    def _sizes(self, node: Node) -> dict[str, int]:
        kept = self.kept.get(node.name)
        return {} if kept is None else dict(kept_sizes(node, len(kept)))

    def cut(self, spec: SegmentSpec, values: Float32) -> Float32:
        """Return what stays of a tensor."""
        taken = self.takes.get((spec.layer_id, spec.name))
        return values if taken is None else values[np.ix_(*taken)]


def choose(
    graph: Graph,
    options: BuildOptions,
    layer: str,
    count: Callable[[int], int],
    ranked: Norm,
    read: Read,
) -> Pruned:
    """Choose what goes out of a layer, and find what follows from it.

    Args:
        graph: bound to its data.
        options: choices the weights were trained with.
        layer: name of the layer.
        count: how many of so many go.
        ranked: the norm by which filters are ranked: the sum of the sizes of their weights, or the
            root of the sum of squares.
        read: gives the weights.

    Raises:
        GraphError: the layer has no filters or neurons of its own, or they cannot go.
    """
    node = graph.node(layer)
    if node.layer.type not in PRUNABLE:
        raise GraphError(
            f"{place(node.name, node.layer)} has no filters or neurons of its own to prune, "
            f"expected a layer of type {', '.join(PRUNABLE)}",
            layer=node.name,
        )
    units = UnitMap(graph, options)
    own = units.roots(units.outputs[node.name])
    candidates = list(dict.fromkeys(own.tolist()))
    pinned = units.pinned()
    for root in candidates:
        holder = pinned.get(root)
        if holder is not None:
            raise GraphError(
                f"{place(node.name, node.layer)} cannot be pruned: its maps or values must stay "
                f"as many for {place(holder, graph.node(holder).layer)}",
                layer=node.name,
                holder=holder,
            )
    norms = _norms(units, set(candidates), ranked, read)
    order = sorted(candidates, key=lambda root: norms[root])  # of equals, the first goes first
    gone = np.array(order[: count(len(candidates))], dtype=np.int64)
    kept = {
        name: np.flatnonzero(~np.isin(units.roots(each), gone))
        for name, each in units.outputs.items()
        if np.isin(units.roots(each), gone).any()
    }
    removed = tuple(np.flatnonzero(np.isin(own, gone)).tolist())
    return Pruned(removed, kept, _takes(units, gone))


def _norms(units: UnitMap, wanted: set[int], ranked: Norm, read: Read) -> dict[int, float]:
    """Return the norms of units, each summed over all filters and neurons that make it."""
    sums = dict.fromkeys(wanted, 0.0)
    specs = {(spec.layer_id, spec.name): spec for spec in layout(units.graph, units.options)}
    for node in units.graph.nodes:
        roots = units.roots(units.outputs[node.name]).tolist()
        is_maker = node.layer.type in PRUNABLE and node.shared is None
        if not is_maker or not wanted & set(roots):
            continue
        weights = np.moveaxis(read(specs[node.id, "weight"]), _made_axis(node), 0)
        flat = weights.reshape(len(weights), -1).astype(np.float64)
        sizes = np.abs(flat) if ranked == "L1" else np.square(flat)
        for root, size in zip(roots, sizes.sum(axis=1).tolist(), strict=True):
            if root in sums:
                sums[root] += size
    return sums


def _made_axis(node: Node) -> int:
    """Return the axis of a layer's weights that counts what it makes."""
    return 0 if node.layer.type in ("convo", "groupconvo") else 1


def _takes(units: UnitMap, gone: Units) -> dict[tuple[int, str], tuple[Rows, ...]]:
    found: dict[tuple[int, str], tuple[Rows, ...]] = {}
    nodes = {node.id: node for node in units.graph.nodes}
    for spec in layout(units.graph, units.options):
        node = nodes[spec.layer_id]
        axes = _axes(units, node, spec)
        if axes is None:
            continue
        along = [np.flatnonzero(~np.isin(units.roots(axis), gone)) for axis in axes]
        rest = [np.arange(size) for size in spec.shape[len(along) :]]
        if any(len(kept) < size for kept, size in zip(along, spec.shape, strict=False)):
            found[spec.layer_id, spec.name] = (*along, *rest)
    return found


def _axes(units: UnitMap, node: Node, spec: SegmentSpec) -> tuple[Units, ...] | None:
    """Return the units along the first axes of a tensor; None where they are not known."""
    made, seen = units.outputs[node.name], units.inputs.get(node.name)
    if node.layer.type == "batchnorm" or node.name in units.lone:
        return (made,)
    if seen is None:
        return None
    if spec.name == "bias":
        return (made,)
    return (made, seen) if _made_axis(node) == 0 else (seen, made)
