"""The order of a model's numbers, known from its graph alone."""

from dataclasses import dataclass
from math import prod

from engine.graph.infer import known_shapes, known_sources
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Part, TensorSpec
from engine.shapes import Shape


@dataclass(frozen=True)
class SegmentSpec:
    """One tensor's place in a weight table.

    Attributes:
        first_row: 0-based row of the table where it begins.
        first_weight_id: ``_WeightID_`` of its first value.
    """

    layer_id: int
    part: Part
    name: str
    shape: Shape
    first_row: int
    first_weight_id: int

    @property
    def size(self) -> int:
        return prod(self.shape)


def layout(graph: Graph, options: BuildOptions) -> tuple[SegmentSpec, ...]:
    """Return the place of every tensor, without making one; shared ones are those of their owner.

    Raises:
        GraphError: a shape is not known yet.
    """
    shapes = known_shapes(graph, options)
    ordered: list[tuple[int, TensorSpec, int]] = []
    for node in graph.nodes:
        if node.shared is not None:
            continue
        weight_id = 0
        for tensor in node.layer.tensors(known_sources(graph, node, shapes), options):
            ordered.append((node.id, tensor, weight_id))
            weight_id += tensor.size
    ordered.sort(key=lambda each: each[1].part == "statistics")
    specs: list[SegmentSpec] = []
    row = 0
    for layer_id, tensor, weight_id in ordered:
        specs.append(SegmentSpec(layer_id, tensor.part, tensor.name, tensor.shape, row, weight_id))
        row += tensor.size
    return tuple(specs)
