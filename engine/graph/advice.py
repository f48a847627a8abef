"""What experience says against a network that can be built all the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from engine.graph.infer import infer_shapes
from engine.graph.spec import Graph, Node
from engine.graph.walk import source_shapes
from engine.layers.base import BuildOptions
from engine.layers.filters import Filters
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.layers.weighted import Weighted
from engine.padding import Axis
from engine.shapes import Shape

LARGEST_POOL = 3
"""Side of the largest windows that are common. Source: the deepLearn reference, fact F29."""
AXES = ("height", "width")


@dataclass(frozen=True)
class Advice:
    """Something to think about.

    Attributes:
        layer: name of the layer.
        rule: what it is measured by: exactFit, evenFilter, normSource or largePool.
        reason: what is so, and what it costs, in one sentence.
    """

    layer: str
    rule: str
    reason: str


def advise(graph: Graph, options: BuildOptions | None = None) -> list[Advice]:
    """Return advice in order of the layers; what depends on data not seen yet is left out.

    - exactFit: windows with given padding leave pixels, or padding, at the end that none covers.
    - evenFilter: filters of even length that move by single pixels have no middle.
    - normSource: the layer before a batch normalisation activates, or adds a bias.
    - largePool: windows of a side over 3 throw most of their values away.

    Raises:
        ShapeError: a layer does not fit its sources.

    Source: the deepLearn reference, facts F10, F13, F19, F29 and F41, rules B14 and P8.
    """
    chosen = options or BuildOptions()
    shapes = infer_shapes(graph, chosen)
    found: list[Advice] = []
    for node in graph.nodes:
        sources = source_shapes(node, graph.by_name, shapes)
        if sources is not None:
            said = [*_windows(node, sources, chosen), *_norm_source(graph, node)]
            found += [Advice(node.name, rule, reason) for rule, reason in said]
    return found


Said = Iterator[tuple[str, str]]
"""Rules with reasons."""


def _windows(node: Node, sources: Sequence[Shape], options: BuildOptions) -> Said:
    layer = node.layer
    if isinstance(layer, Filters):
        axes = layer.axes(sources, options)
        yield from _exact_fit(axes)
        yield from _even_filter(axes)
    elif isinstance(layer, Pooling):
        axes = layer.axes(sources)
        yield from _exact_fit(axes)
        yield from _large_pool(axes)


def _exact_fit(axes: Sequence[Axis]) -> Said:
    for name, axis in zip(AXES, axes, strict=True):
        padding = axis.before + axis.after
        way, step = axis.size - axis.kernel + padding, axis.stride
        if way % step:
            count = f"({axis.size} - {axis.kernel} + {padding}) / {step} + 1 along the {name}"
            unseen = _unseen(way % step - axis.after)
            yield "exactFit", f"{count} is {way / step + 1:.6g}, so {unseen}"


def _unseen(pixels: int) -> str:
    """Say what no window covers: pixels of the image, or else padding only."""
    if pixels <= 0:
        return "the padding at the end is not used and the two ends are not treated alike"
    many = f"{pixels} pixels at the end go unseen"
    return "1 pixel at the end goes unseen" if pixels == 1 else many


def _even_filter(axes: Sequence[Axis]) -> Said:
    for name, axis in zip(AXES, axes, strict=True):
        size = axis.kernel
        if size % 2 == 0 and axis.stride == 1 and size < axis.size:
            reason = (
                f"a filter of {size} along the {name} has no middle, so its maps are moved by half "
                f"a pixel; {size - 1} or {size + 1} has one"
            )
            yield "evenFilter", reason


def _large_pool(axes: Sequence[Axis]) -> Said:
    height, width = (axis.kernel for axis in axes)
    is_whole = all(axis.kernel == axis.size for axis in axes)
    if max(height, width) > LARGEST_POOL and not is_whole:
        reason = (
            f"windows of {height} x {width} with steps that keep 1 of "
            f"{prod(axis.stride for axis in axes)} values throw most of what was found away; "
            "2 x 2 or 3 x 3 with steps of 2 are common"
        )
        yield "largePool", reason


def _norm_source(graph: Graph, node: Node) -> Said:
    if not isinstance(node.layer, BatchNormalization):
        return
    source = graph.node(node.sources[0])
    layer = source.layer
    if not isinstance(layer, Weighted) or layer.is_task:
        return
    act = getattr(layer, "act", "IDENTITY")
    if act != "IDENTITY":
        reason = (
            f"its source {source.name!r} activates ({act}) before values are normalised; set act "
            "IDENTITY there and the activation here"
        )
        yield "normSource", reason
    if layer.include_bias:
        reason = (
            f"its source {source.name!r} adds a bias, which normalisation takes out; set "
            "includeBias false there"
        )
        yield "normSource", reason
