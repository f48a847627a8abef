"""Which batch normalisations are folded."""

import pytest

from engine.errors import GraphError
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Layer
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.surgery.folding import fold_norms
from engine.zoo import ZOO

DEFAULTS = BuildOptions()


def after(layer: Layer) -> Graph:
    graph = Graph("net").add("data", Input(n_channels=2, width=4, height=4))
    return graph.add("source", layer, ["data"]).add("norm", BatchNormalization(), ["source"])


def linear(**more: object) -> Convolution:
    return Convolution.model_validate({"n_filters": 2, "act": "IDENTITY", **more})


def test_all_normalisations_of_a_residual_network_are_folded() -> None:
    change = fold_norms(ZOO["resnet18"].build(), DEFAULTS)

    # 20 convolutions, each with its normalisation, the last layer is the 21st with weights
    assert len(change.changed) == 20
    assert not any(isinstance(node.layer, BatchNormalization) for node in change.graph.nodes)
    assert change.graph.shapes["out"] == (1000,)
    assert change.graph.node("conv1").layer.model_dump()["act"] == "RECTIFIER"
    assert change.graph.node("res2_1_conv2").layer.model_dump()["act"] == "IDENTITY"


def test_of_a_network_with_normalisation_first_those_that_follow_filters_alone_are_folded() -> None:
    graph = ZOO["resnet18v2"].build()

    change = fold_norms(graph, DEFAULTS)

    # the second of each of eight blocks follows a convolution that feeds nothing else
    assert len(change.changed) == 8
    assert len(change.graph.nodes) == len(graph.nodes) - 8


BAD: list[Graph] = [
    after(linear(act="RECTIFIER")),
    after(linear(dropout=0.5)),
    after(Pooling()),
    after(FullyConnected(n=2)),
    after(FullyConnected(n=2, act="IDENTITY", dropout=0.5)),
    after(linear()).add("sum", Residual(), ["norm", "source"]),
    after(linear()).add("again", linear(), ["norm"], shared="source"),
    after(linear()).add("again", BatchNormalization(), ["norm"], shared="norm"),
]


@pytest.mark.parametrize("graph", BAD)
def test_what_is_not_linear_or_used_elsewhere_is_not_folded(graph: Graph) -> None:
    with pytest.raises(GraphError, match=r"^model 'net' has no batch normalisation to fold"):
        fold_norms(graph, DEFAULTS)


def test_a_dropout_of_the_run_keeps_a_fully_connected_layer_from_folding() -> None:
    graph = after(FullyConnected(n=2, act="IDENTITY"))

    assert fold_norms(graph, DEFAULTS).changed == ("source",)
    with pytest.raises(GraphError, match=r"^model 'net' has no batch normalisation to fold"):
        fold_norms(graph, BuildOptions(dropout=0.5))
