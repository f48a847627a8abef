"""Shape inference node by node."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from engine.errors import ShapeError
from engine.graph.limits import check_numbers, check_values
from engine.layers.base import BuildOptions, Layer
from engine.shapes import Shape


class Placed(Protocol):
    """A layer in its place, as far as shapes and tensors are concerned."""

    @property
    def name(self) -> str: ...
    @property
    def layer(self) -> Layer: ...
    @property
    def sources(self) -> tuple[str, ...]: ...
    @property
    def shared(self) -> str | None: ...


Layout = Mapping[str, Placed]
Shapes = Mapping[str, Shape | None]


def source_shapes(node: Placed, nodes: Layout, shapes: Shapes) -> tuple[Shape, ...] | None:
    """Return the shapes a node sees of its sources, None while one of them is unknown."""
    found = [(nodes[source].layer, shapes[source]) for source in node.sources]
    known = tuple(_seen(layer, shape) for layer, shape in found if shape is not None)
    return known if len(known) == len(found) else None


def _seen(layer: Layer, shape: Shape) -> Shape:
    """Return what a layer that follows sees of an output: all of it, or its part."""
    parts = layer.destinations
    return shape if parts is None else (shape[0] // parts, *shape[1:])


def infer_node(node: Placed, nodes: Layout, shapes: Shapes, options: BuildOptions) -> Shape | None:
    """Return the output shape of one node, None while it is unknown.

    Raises:
        ShapeError: the layer does not fit, or is larger than any memory; the message begins with
            its name and type.
    """
    sources = source_shapes(node, nodes, shapes)
    try:
        return _inferred(node.layer, sources, options)
    except ShapeError as error:
        raise ShapeError(
            f"{place(node.name, node.layer)} {error.message}", layer=node.name, **error.details
        ) from error


def _inferred(
    layer: Layer, sources: tuple[Shape, ...] | None, options: BuildOptions
) -> Shape | None:
    shape = layer.infer_open() if sources is None else layer.infer(sources, options)
    if shape is None:
        return None
    check_values(shape)
    if sources is not None:
        check_numbers(layer.tensors(sources, options))
    return shape


def walk(nodes: Iterable[Placed], options: BuildOptions) -> dict[str, Shape | None]:
    """Return the shapes of nodes given in an order in which sources come first."""
    shapes: dict[str, Shape | None] = {}
    seen: dict[str, Placed] = {}
    for node in nodes:
        shapes[node.name] = infer_node(node, seen, shapes, options)
        seen[node.name] = node
    return shapes


def place(name: str, layer: Layer) -> str:
    """Return how messages name a layer."""
    return f"layer {name!r} ({layer.type})"


def listed(names: Sequence[str]) -> str:
    """Return names as messages list them."""
    return ", ".join(repr(name) for name in names)
