"""Graphs whose fully connected layers become filters."""

import pytest

from engine.errors import GraphError
from engine.graph.infer import account, bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.local_convolution import LocalConvolution
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.surgery.sliding import fc_to_conv
from engine.zoo import ZOO

DEFAULTS = BuildOptions()


def bound(graph: Graph) -> Graph:
    return bind(graph, {}, {"out": Target("nominal", 2)})


def net() -> Graph:
    return (
        Graph("net")
        .add("data", Input(n_channels=1, width=6, height=6))
        .add("fc", FullyConnected(n=3, dropout=0.25), ["data"])
        .add("out", Output(), ["fc"])
    )


def test_vgg16_gives_36_scores_for_images_of_384_pixels() -> None:
    # F34, F35: 384 / 32 = 12, 12 - 7 + 1 = 6
    vgg = bind(ZOO["vgg16"].build(), {}, {"out": Target("nominal", 1000)})

    same, large = fc_to_conv(vgg, DEFAULTS), fc_to_conv(vgg, DEFAULTS, (384, 384))

    names = ("pool5", "fc6", "fc7", "out_scores")
    assert [same.graph.shapes[name] for name in names] == [
        (512, 7, 7),
        (4096, 1, 1),
        (4096, 1, 1),
        (1000, 1, 1),
    ]
    assert [large.graph.shapes[name] for name in names] == [
        (512, 12, 12),
        (4096, 6, 6),
        (4096, 6, 6),
        (1000, 6, 6),
    ]
    for change in (same, large):
        counts = account(change.graph)
        assert sum(each.weights or 0 for each in counts) == 138_344_128
        assert sum(each.biases or 0 for each in counts) == 13_416


def test_an_activation_and_a_dropout_that_are_not_said_become_those_that_were_meant() -> None:
    graph = fc_to_conv(bound(net()), BuildOptions(dropout=0.5)).graph

    filters = graph.node("fc").layer
    assert isinstance(filters, Convolution)
    assert (filters.act, filters.dropout) == ("TANH", 0.25)


def test_names_of_new_layers_are_those_no_layer_has() -> None:
    graph = Graph("net").add("out_scores", Input(n_channels=1, width=2, height=2))
    graph = bound(graph.add("out", Output(), ["out_scores"]))

    assert fc_to_conv(graph, DEFAULTS).changed == ("out_scores_", "out_mean", "out")


def test_layers_that_are_not_behind_an_image_stay() -> None:
    graph = (
        net()
        .add("words", Input(features=4, steps=3))
        .add("each", FullyConnected(n=2, per_step=True), ["words"])
        .add("flat", FullyConnected(n=2), ["words"])
        .add("both", FullyConnected(n=2), ["data", "flat"])
        .add("plain", Output(full_connect=False), ["both"])
    )
    graph = bind(graph, {}, {"out": Target("nominal", 2), "plain": Target("nominal", 2)})

    change = fc_to_conv(graph, DEFAULTS)

    assert change.changed == ("fc", "out_scores", "out_mean", "out")
    assert [change.graph.node(name) for name in ("each", "flat", "both", "plain")] == [
        graph.node(name) for name in ("each", "flat", "both", "plain")
    ]


def test_a_layer_with_weights_for_every_pixel_does_not_slide() -> None:
    local = LocalConvolution(n_filters=2, width=3)
    graph = Graph("net").add("data", Input(n_channels=1, width=6, height=6))
    graph = graph.add("local", local, ["data"]).add("pool", Pooling(), ["local"])
    graph = bound(graph.add("out", Output(), ["pool"]))

    with pytest.raises(
        GraphError,
        match=r"^layer 'local' \(localconvo\) has weights of shape \(.*\) for images of the old "
        r"size and \(.*\) for those of the new, expected layers that slide$",
    ):
        fc_to_conv(graph, DEFAULTS, (8, 8))


def test_a_model_of_two_images_keeps_their_sizes() -> None:
    graph = net().add("more", Input(n_channels=1, width=6, height=6))
    graph = bound(graph)

    with pytest.raises(
        GraphError,
        match=r"^model 'net' has 2 input layers of images, expected one to change its size$",
    ):
        fc_to_conv(graph, DEFAULTS, (8, 8))
