"""What stays of a network when its head goes."""

import pytest

from engine.errors import GraphError
from engine.graph.spec import Graph
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.surgery.heads import trunk
from engine.zoo import ZOO


def test_only_what_leads_to_the_last_layer_stays() -> None:
    graph = ZOO["googlenet"].build()

    kept = trunk(graph, "inception3a_3x3")

    assert [node.name for node in kept.nodes] == [
        "data",
        "conv1",
        "pool1",
        "conv2_reduce",
        "conv2",
        "pool2",
        "inception3a_3x3_reduce",
        "inception3a_3x3",
    ]


def test_a_layer_that_stays_keeps_the_owner_of_its_weights() -> None:
    filters = Convolution(n_filters=1, include_bias=False)
    graph = Graph("net").add("data", Input(n_channels=1, width=4, height=4))
    graph = graph.add("owner", filters, ["data"]).add("user", filters, ["data"], shared="owner")

    with pytest.raises(
        GraphError,
        match=r"^layer 'user' \(convo\) uses the weights of layer 'owner', which does not stay; "
        r"expected both to stay$",
    ):
        trunk(graph, "user")
