"""A change of a graph, and where the numbers of the new one come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.graph.layout import SegmentSpec
from engine.graph.spec import Graph
from engine.weights import Float32

Read = Callable[[int, str], Float32]
"""Returns a tensor of the old weights by layer id and name."""
Make = Callable[[SegmentSpec, Read], Float32]
"""Returns a tensor of the new weights."""


@dataclass(frozen=True)
class Change:
    """What becomes of a graph.

    Attributes:
        graph: the new one.
        made: by layer id, how tensors are made that are not the old ones of the same layer.
        changed: names of the layers that are not what they were, or new.
    """

    graph: Graph
    made: Mapping[int, Make] = field(default_factory=dict)
    changed: tuple[str, ...] = ()

    def tensor(self, spec: SegmentSpec, read: Read) -> Float32:
        """Return a tensor of the new weights.

        Args:
            spec: its place.
            read: gives those of the old weights.
        """
        make = self.made.get(spec.layer_id)
        return read(spec.layer_id, spec.name) if make is None else make(spec, read)
