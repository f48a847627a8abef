"""Batch normalisation into the weights of the layers before it."""

from collections import Counter
from dataclasses import replace as changed
from typing import cast

import numpy as np

from engine.errors import GraphError
from engine.graph.layout import SegmentSpec
from engine.graph.spec import Graph, Node
from engine.layers.base import BuildOptions
from engine.layers.convolution import Convolution, GroupConvolution
from engine.layers.dense import FullyConnected
from engine.layers.normalization import BatchNormalization
from engine.surgery.change import Change, Make, Read
from engine.weights import Float32


def fold_norms(graph: Graph, options: BuildOptions) -> Change:
    """Return a graph without the batch normalisations that can be weights of their source.

    act(gamma (w x + b - mean) / s + beta) with s = √(std² + ε) is the layer of weights w gamma / s
    and bias (b - mean) gamma / s + beta. The source must be a convo, groupconvo or fc layer without
    activation and dropout, feed nothing else, and share no weights. It takes over the activation.

    Raises:
        GraphError: there is no batch normalisation of that kind.

    Source: the affine map of rule B1 with stored statistics, multiplied out.
    """
    pairs = {norm.name: source for norm, source in _pairs(graph, options)}
    if not pairs:
        raise GraphError(
            f"model {graph.name!r} has no batch normalisation to fold, expected one after a convo, "
            "groupconvo or fc layer with act IDENTITY that feeds nothing else",
            model=graph.name,
        )
    norms = {source.name: graph.node(name) for name, source in pairs.items()}
    renamed = {name: source.name for name, source in pairs.items()}
    nodes = tuple(
        changed(
            _folded(node, norms.get(node.name)),
            sources=tuple(renamed.get(source, source) for source in node.sources),
        )
        for node in graph.nodes
        if node.name not in pairs
    )
    made = {source.id: _maker(source, graph.node(name)) for name, source in pairs.items()}
    return Change(Graph(graph.name, graph.family, nodes), made, tuple(norms))


def _pairs(graph: Graph, options: BuildOptions) -> list[tuple[Node, Node]]:
    """Return normalisations with the layers that can take them in."""
    users = Counter(source for node in graph.nodes for source in node.sources)
    sharers = {node.shared for node in graph.nodes if node.shared is not None}
    found = []
    for node in graph.nodes:
        if not isinstance(node.layer, BatchNormalization):
            continue
        source = graph.node(node.sources[0])
        shared = {node.name, source.name} & sharers or node.shared or source.shared
        if users[source.name] == 1 and not shared and _is_linear(source, options):
            found.append((node, source))
    return found


def _is_linear(node: Node, options: BuildOptions) -> bool:
    layer = node.layer
    if isinstance(layer, FullyConnected):
        rate = options.dropout if layer.dropout is None else layer.dropout
        return layer.act == "IDENTITY" and not rate and not layer.per_step
    if isinstance(layer, Convolution | GroupConvolution):
        return layer.act == "IDENTITY" and not layer.dropout
    return False


def _folded(node: Node, norm: Node | None) -> Node:
    if norm is None:
        return node
    layer = cast("BatchNormalization", norm.layer)
    act = "IDENTITY" if layer.act == "AUTO" else layer.act
    facts = {"act": act, "fcmp_act": layer.fcmp_act, "include_bias": True}
    return changed(node, layer=node.layer.model_copy(update=facts))


def _maker(source: Node, norm: Node) -> Make:
    epsilon = cast("BatchNormalization", norm.layer).epsilon
    is_matrix = isinstance(source.layer, FullyConnected)  # whose outputs are its last axis
    has_bias = cast("Convolution", source.layer).include_bias

    def make(spec: SegmentSpec, read: Read) -> Float32:
        gamma, beta = read(norm.id, "affine").astype(np.float64).T
        mean, std = read(norm.id, "statistics").astype(np.float64).T
        scale = gamma / np.sqrt(std**2 + epsilon)
        if spec.name == "weight":
            factors = scale if is_matrix else scale.reshape(-1, 1, 1, 1)
            return np.asarray(read(source.id, "weight") * factors, np.float32)
        bias = read(source.id, "bias") if has_bias else np.zeros_like(mean)
        return np.asarray((bias - mean) * scale + beta, np.float32)

    return make
