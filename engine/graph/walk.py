"""Shape inference node by node."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from engine.errors import ShapeError
from engine.layers.base import BuildOptions, Layer
from engine.shapes import Shape


class Placed(Protocol):
    """A layer in its place, as far as shapes are concerned."""

    @property
    def name(self) -> str: ...
    @property
    def layer(self) -> Layer: ...
    @property
    def sources(self) -> tuple[str, ...]: ...


def source_shapes(node: Placed, shapes: Mapping[str, Shape | None]) -> tuple[Shape, ...] | None:
    """Return the shapes of a node's sources, None while one of them is unknown."""
    found = [shapes[source] for source in node.sources]
    known = tuple(shape for shape in found if shape is not None)
    return known if len(known) == len(found) else None


def infer_node(
    node: Placed, shapes: Mapping[str, Shape | None], options: BuildOptions
) -> Shape | None:
    """Return the output shape of one node, None while it is unknown.

    Raises:
        ShapeError: the layer does not fit; the message begins with its name and type.
    """
    sources = source_shapes(node, shapes)
    if sources is None:
        return node.layer.infer_open()
    try:
        return node.layer.infer(sources, options)
    except ShapeError as error:
        raise ShapeError(
            f"{place(node.name, node.layer)} {error.message}", layer=node.name, **error.details
        ) from error


def walk(nodes: Iterable[Placed], options: BuildOptions) -> dict[str, Shape | None]:
    """Return the shapes of nodes given in an order in which sources come first."""
    shapes: dict[str, Shape | None] = {}
    for node in nodes:
        shapes[node.name] = infer_node(node, shapes, options)
    return shapes


def place(name: str, layer: Layer) -> str:
    """Return how messages name a layer."""
    return f"layer {name!r} ({layer.type})"


def listed(names: Sequence[str]) -> str:
    """Return names as messages list them."""
    return ", ".join(repr(name) for name in names)
