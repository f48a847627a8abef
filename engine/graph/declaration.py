"""A graph as plain JSON values, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.errors import GraphError
from engine.graph.spec import Graph, fold
from engine.layers.base import LAYERS, Layer

MOST_LAYERS = 10_000
"""Layers of a declaration that is read."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(strict=True, ge=0)
    name: str
    sources: tuple[str, ...]
    shared: str | None = None
    layer: dict[str, Any]


_ENTRIES = TypeAdapter(tuple[_Entry, ...])


def declared(graph: Graph) -> list[dict[str, Any]]:
    """Return the layers of a graph as JSON values: id, name, sources, perhaps shared, layer."""
    return [
        {
            "id": node.id,
            "name": node.name,
            "sources": list(node.sources),
            **({} if node.shared is None else {"shared": node.shared}),
            "layer": node.layer.model_dump(mode="json"),
        }
        for node in graph.nodes
    ]


def read_declared(name: str, family: str, layers: object) -> Graph:
    """Return the graph that a declaration stands for; everything about it is checked.

    Args:
        name: of the model.
        family: CNN, DNN or RNN.
        layers: as :func:`declared` gives them, in any order; ids are kept.

    Raises:
        GraphError: it is no declaration, or its layers make no network.
        ShapeError: a layer does not fit its sources.
    """
    entries = _checked(name, layers)
    graph = Graph(fold(name), family)
    for entry in _sorted(entries):
        layer = _layer(entry.name, entry.layer)
        graph = graph.add(entry.name, layer, entry.sources, shared=entry.shared)
    ids = {fold(entry.name): entry.id for entry in entries}
    nodes = [changed(node, id=ids[node.name]) for node in graph.nodes]
    return Graph(graph.name, family, tuple(sorted(nodes, key=lambda node: node.id)))


def _checked(name: str, layers: object) -> Sequence[_Entry]:
    try:
        entries = _ENTRIES.validate_python(layers)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise GraphError(
            f"the declaration of model {name!r} cannot be read: {where or 'it'}: {first['msg']}",
            model=name,
        ) from error
    if len(entries) > MOST_LAYERS:
        raise GraphError(
            f"the declaration of model {name!r} got {len(entries)} layers, "
            f"expected at most {MOST_LAYERS}",
            model=name,
        )
    names = {fold(entry.name) for entry in entries}
    ids = {entry.id for entry in entries}
    if min(len(names), len(ids)) < len(entries):
        raise GraphError(
            f"the declaration of model {name!r} got a name or an id twice, expected "
            "a name and an id of its own for every layer",
            model=name,
        )
    return entries


def _sorted(entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """Return the layers, each after those it takes from."""
    by_name = {fold(entry.name): entry for entry in entries}
    before = {
        name: [
            fold(source)
            for source in (*entry.sources, entry.shared or "")
            if fold(source) in by_name
        ]
        for name, entry in by_name.items()
    }
    try:
        return [by_name[name] for name in TopologicalSorter(before).static_order()]
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        raise GraphError(
            f"layers {' -> '.join(map(repr, circle))} feed one another in a circle", layers=circle
        ) from error


def _layer(name: str, options: Mapping[str, Any]) -> Layer:
    kind = options.get("type")
    cls = LAYERS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise GraphError(
            f"layer {name!r} has type {kind!r}, which this version cannot read",
            layer=name,
            type=str(kind),
        )
    try:
        return cls.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise GraphError(
            f"layer {name!r} ({kind}) has options this version cannot read: {where}: "
            f"{first['msg']}",
            layer=name,
            type=str(kind),
        ) from error
