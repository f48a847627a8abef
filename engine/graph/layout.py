"""The order of a model's numbers, known from its graph alone."""

from dataclasses import dataclass
from math import prod

from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Part
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
    """Return the place of every tensor, without making one.

    Raises:
        GraphError: a shape is not known yet.
    """
    raise NotImplementedError
