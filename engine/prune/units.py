"""Which maps and neurons of a network stand or fall together.

A unit is what may be taken out: a filter with its map, a neuron with its value. Layers that keep
the maps of their source hand units on; layers that add maps tie units of several layers together;
layers whose maps have a meaning of their own, or whose way with them is not known here, pin them.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from engine.graph.infer import known_shapes, known_sources
from engine.graph.spec import Graph, Node
from engine.layers.base import BuildOptions
from engine.shapes import IMAGE_AXES, SEQUENCE_AXES, Shape

Units = npt.NDArray[np.int64]

PRUNABLE = ("convo", "groupconvo", "transconvo", "fc")
"""Layers whose filters or neurons can be taken out."""
HEADS = ("output", "keypoints")
"""Task layers that multiply all values of their sources by a matrix."""
PASSING = ("pool", "batchnorm")
"""Layers whose maps are those of their source, one by one."""


class UnitMap:
    """The units of every layer's output and of what every layer sees.

    Attributes:
        outputs: by layer, one unit per map of an image, per value of a vector or of a step.
        inputs: by layer, one unit per row of the matrix, or per map, that it multiplies.
        lone: layers every filter of which sees one map of its own, and makes one.
    """

    def __init__(self, graph: Graph, options: BuildOptions) -> None:
        self.graph = graph
        self.options = options
        self.shapes = known_shapes(graph, options)
        self.outputs: dict[str, Units] = {}
        self.inputs: dict[str, Units] = {}
        self.lone: set[str] = set()
        self._parents: list[int] = []
        self._pinned: dict[int, str] = {}
        for node in graph.order:
            self.outputs[node.name] = self._units(node)
        for node in graph.nodes:
            self._tie_shared(node)

    def roots(self, units: Units) -> Units:
        """Return what stands for all units that stand or fall together, unit by unit."""
        return np.array([self._root(unit) for unit in units.tolist()], dtype=np.int64)

    def pinned(self) -> dict[int, str]:
        """Return the layer because of which units must stay, by what stands for them."""
        return {self._root(unit): name for unit, name in self._pinned.items()}

    def _root(self, unit: int) -> int:
        while self._parents[unit] != unit:
            self._parents[unit] = self._parents[self._parents[unit]]
            unit = self._parents[unit]
        return unit

    def _fresh(self, count: int) -> Units:
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count, dtype=np.int64)

    def _tie(self, one: Units, other: Units) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            self._parents[self._root(b)] = self._root(a)

    def _pin(self, name: str, units: Iterable[Units]) -> None:
        for each in units:
            self._pinned.update(dict.fromkeys(each.tolist(), name))

    def _units(self, node: Node) -> Units:
        """Return the units of a layer's output, and note those it sees."""
        sources = [self.outputs[source] for source in node.sources]
        kind = node.layer.type
        if _is_lone(node, self._seen(node)):
            self.lone.add(node.name)
            return sources[0]
        if kind in PASSING:
            return sources[0]
        if kind == "residual":
            for other in sources[1:]:
                self._tie(sources[0], other)
            return sources[0]
        if kind == "concat":
            return np.concatenate(sources)
        if kind == "scale":
            self._tie(sources[0], _flat(sources[1], self._seen(node)[1]))
            return sources[0]
        if kind == "reshape":
            return self._reshaped(node, sources[0])
        return self._made(node, sources)

    def _made(self, node: Node, sources: Sequence[Units]) -> Units:
        """Return the units of a layer that makes maps or neurons of its own."""
        made = self._fresh(_width(self.shapes[node.name]))
        if not _is_matrix(node) and not _is_filter(node):
            self._pin(node.name, [*sources, made])
            return made
        seen = self._seen(node)
        if _is_filter(node):
            self.inputs[node.name] = sources[0]
        else:
            steps = len(self.shapes[node.name]) == SEQUENCE_AXES
            pairs = zip(sources, seen, strict=True)
            parts = [self._stepwise(node, *pair) if steps else _flat(*pair) for pair in pairs]
            self.inputs[node.name] = np.concatenate(parts)
        if node.layer.is_task:
            self._pin(node.name, [made])
        return made

    def _stepwise(self, node: Node, units: Units, shape: Shape) -> Units:
        """Return the units of the values of a step; those of the rows of one map must stay."""
        if len(shape) == SEQUENCE_AXES:
            return units
        values = self._fresh(shape[-1])
        self._pin(node.name, [units, values])
        return values

    def _reshaped(self, node: Node, source: Units) -> Units:
        """Return the units of an image made of the values of a source, if each map has but one."""
        shape = self._seen(node)[0]
        layer = node.layer.model_copy(update={"act": "IDENTITY"})
        values = torch.from_numpy(_flat(source, shape).astype(np.float64)).reshape(1, *shape)
        maps = layer.build([shape], self.options)(values)[0].flatten(1).numpy().astype(np.int64)
        if (maps != maps[:, :1]).any():
            made = self._fresh(len(maps))
            self._pin(node.name, [source, made])
            return made
        return np.asarray(maps[:, 0])

    def _seen(self, node: Node) -> tuple[Shape, ...]:
        return known_sources(self.graph, node, self.shapes)

    def _tie_shared(self, node: Node) -> None:
        """Tie what a layer that shares weights makes and sees to that of their owner."""
        if node.shared is None:
            return
        self._tie(self.outputs[node.shared], self.outputs[node.name])
        if node.name in self.inputs:
            self._tie(self.inputs[node.shared], self.inputs[node.name])


def _is_lone(node: Node, sources: Sequence[Shape]) -> bool:
    groups = getattr(node.layer, "n_groups", 1)
    filters = getattr(node.layer, "n_filters", None)
    return node.layer.type == "groupconvo" and 1 < groups == filters == sources[0][0]


def kept_sizes(node: Node, kept: int) -> Mapping[str, int]:
    """Return the options of a layer that say how many units it makes."""
    layer = node.layer
    if layer.type == "reshape":
        return {"depth": kept} if getattr(layer, "depth", None) is not None else {}
    if layer.type == "fc":
        return {"n": kept}
    if layer.type in PRUNABLE:
        has_own_groups = getattr(layer, "n_groups", 1) > 1
        return {"n_filters": kept, **({"n_groups": kept} if has_own_groups else {})}
    return {}


def _is_filter(node: Node) -> bool:
    return node.layer.type in ("convo", "groupconvo", "transconvo") and (
        getattr(node.layer, "n_groups", 1) == 1
    )


def _is_matrix(node: Node) -> bool:
    has_matrix = getattr(node.layer, "full_connect", True)
    return node.layer.type == "fc" or (node.layer.type in HEADS and has_matrix)


def _width(shape: Shape) -> int:
    return shape[-1] if len(shape) == SEQUENCE_AXES else shape[0]


def _flat(units: Units, shape: Shape) -> Units:
    """Return the unit of every value of an output, in the order a fully connected layer takes."""
    if len(shape) == IMAGE_AXES:
        return np.repeat(units, prod(shape[1:]))
    return np.tile(units, shape[0]) if len(shape) == SEQUENCE_AXES else units
