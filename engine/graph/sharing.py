"""Layers that use the tensors of another one, their anchor."""

from collections.abc import Iterable

from engine.errors import GraphError, ShapeError
from engine.graph.walk import Layout, Placed, Shapes, place, source_shapes
from engine.layers.base import BuildOptions, TensorSpec


def check_anchors(nodes: Iterable[Placed], by_name: Layout) -> None:
    """Check that layers share tensors with others of their type which own some.

    Raises:
        GraphError: the anchor is the layer itself, shares with a third one, or is of another type.
    """
    for node in nodes:
        if node.shared is None:
            continue
        anchor, here = by_name[node.shared], place(node.name, node.layer)
        if anchor.name == node.name:
            raise GraphError(f"{here} cannot share weights with itself", layer=node.name)
        if anchor.layer.type != node.layer.type:
            raise GraphError(
                f"{here} cannot share weights with {place(anchor.name, anchor.layer)}, "
                f"expected a layer of type {node.layer.type!r}",
                layer=node.name,
                anchor=anchor.name,
            )
        if anchor.shared is not None:
            raise GraphError(
                f"{here} shares weights with {anchor.name!r}, which shares those of "
                f"{anchor.shared!r}; expected a layer that owns its weights",
                layer=node.name,
                anchor=anchor.name,
            )


def check_shared_tensors(
    nodes: Iterable[Placed], by_name: Layout, shapes: Shapes, options: BuildOptions
) -> None:
    """Check that layers need the tensors their anchors own, as far as both are known.

    Raises:
        ShapeError: they need other ones.
    """
    for node in nodes:
        if node.shared is None:
            continue
        anchor = by_name[node.shared]
        needed = _tensors(node, by_name, shapes, options)
        owned = _tensors(anchor, by_name, shapes, options)
        if needed is not None and owned is not None and needed != owned:
            raise ShapeError(
                f"{place(node.name, node.layer)} needs {_listed(needed)}, expected what "
                f"{place(anchor.name, anchor.layer)} owns: {_listed(owned)}",
                layer=node.name,
                anchor=anchor.name,
            )


def _tensors(
    node: Placed, by_name: Layout, shapes: Shapes, options: BuildOptions
) -> tuple[TensorSpec, ...] | None:
    sources = source_shapes(node, by_name, shapes)
    if sources is None or shapes[node.name] is None:
        return None
    return node.layer.tensors(sources, options)


def _listed(specs: tuple[TensorSpec, ...]) -> str:
    return " and ".join(f"{spec.part} {spec.shape}" for spec in specs) or "no weights"
