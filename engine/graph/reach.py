"""How much of the input image one pixel of a layer's output depends on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.graph.spec import Node
from engine.graph.walk import Layout, Shapes, source_shapes
from engine.layers.base import BuildOptions, Layer
from engine.layers.channels import ChannelShuffle, Split
from engine.layers.filters import Filters
from engine.layers.input import Input
from engine.layers.merge import Merge
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.padding import Axis
from engine.shapes import IMAGE_AXES, Shape

Field = tuple[int, int]
"""A receptive field: height and width, in pixels of the input image."""


@dataclass(frozen=True)
class _Reach:
    """Along one axis: the pixels an output sees, and the pixels from one output to the next."""

    size: int = 1
    jump: int = 1

    def through(self, kernel: int, stride: int) -> "_Reach":
        """Return the reach after windows that are laid over the outputs."""
        return _Reach(self.size + (kernel - 1) * self.jump, self.jump * stride)


_Reaches = tuple[_Reach, _Reach]


def receptive_fields(
    order: Iterable[Node], nodes: Layout, shapes: Shapes, options: BuildOptions
) -> dict[str, Field | None]:
    """Return by layer how many pixels of the image one pixel of its output sees.

    From one layer to the next r = r + (k - 1) j and j = j s: r the field, j the distance of two
    neighbours in pixels of the image, k the window (with its gaps) and s its step; an image starts
    with r = j = 1. A layer of several sources sees the largest of their fields, and its neighbours
    are as far apart as those of the first. At its edges the image may be smaller than the field.

    None where pixels have no place: matrices, recurrent layers, rows without an image, layers that
    lay pixels out anew (reshape, transconvo), tasks, and all that follows them.

    Args:
        order: every node after its sources.
        nodes: by name.
        shapes: output shapes by name, None where not known.
        options: choices of the run which change the network.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016; the
    deepLearn reference, facts F27 and F60.
    """
    reaches: dict[str, _Reaches | None] = {}
    for node in order:
        sources = source_shapes(node, nodes, shapes)
        if isinstance(node.layer, Input):
            reaches[node.name] = _start(shapes[node.name])
        else:
            reaches[node.name] = _reached(node, sources, reaches, options)
    return {name: each and (each[0].size, each[1].size) for name, each in reaches.items()}


def _start(shape: Shape | None) -> _Reaches | None:
    return (_Reach(), _Reach()) if shape is not None and len(shape) == IMAGE_AXES else None


def _reached(
    node: Node,
    sources: Sequence[Shape] | None,
    reaches: Mapping[str, _Reaches | None],
    options: BuildOptions,
) -> _Reaches | None:
    before = [each for each in (reaches[source] for source in node.sources) if each is not None]
    if sources is None or not before or len(before) < len(node.sources):
        return None
    height, width = (_widest([pair[axis] for pair in before]) for axis in (0, 1))
    if isinstance(node.layer, Merge | BatchNormalization | ChannelShuffle | Split):
        return height, width
    axes = _axes(node.layer, sources, options)
    if axes is None:
        return None
    down, across = axes
    return height.through(down.kernel, down.stride), width.through(across.kernel, across.stride)


def _widest(reaches: Sequence[_Reach]) -> _Reach:
    return _Reach(max(each.size for each in reaches), reaches[0].jump)


def _axes(
    layer: Layer, sources: Sequence[Shape], options: BuildOptions
) -> tuple[Axis, Axis] | None:
    if isinstance(layer, Filters):
        return layer.axes(sources, options)
    return layer.axes(sources) if isinstance(layer, Pooling) else None
