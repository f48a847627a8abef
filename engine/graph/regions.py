"""Layers behind a roipooling layer: what they do, they do to every region."""

from collections.abc import Iterable

from engine.graph.walk import Layout
from engine.layers.base import Layer
from engine.layers.dense import FullyConnected
from engine.layers.regions import ROIPooling


def per_region(layer: Layer, sources: Iterable[str], nodes: Layout) -> Layer:
    """Return a layer as it stands behind its sources.

    A fully connected layer that does not say ``perStep`` multiplies the regions of a ``roipooling``
    layer one by one, and so do those that follow it. Other layers stay as they are.

    Source: Girshick (2015) "Fast R-CNN", section 2: every region is a feature vector of its own.
    """
    if not isinstance(layer, FullyConnected) or "per_step" in layer.model_fields_set:
        return layer
    if not any(_gives_regions(source, nodes) for source in sources):
        return layer
    return layer.model_copy(update={"per_step": True})


def _gives_regions(name: str, nodes: Layout) -> bool:
    """Return whether the steps a layer gives are regions."""
    node = nodes[name]
    if isinstance(node.layer, ROIPooling):
        return True
    return node.layer.keeps_steps and any(_gives_regions(each, nodes) for each in node.sources)
