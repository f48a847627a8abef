"""Whole networks that are known from the literature."""

from itertools import pairwise

from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling

VGG16_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16() -> Graph:
    """Return VGG-16: thirteen 3x3 convolutions, five 2x2 pools, three fully connected layers."""
    graph = Graph("vgg16").add("data", Input(n_channels=3, width=224, height=224))
    last = "data"
    for block, filters in enumerate(VGG16_BLOCKS, 1):
        for position, count in enumerate(filters, 1):
            name = f"conv{block}_{position}"
            graph = graph.add(name, Convolution(n_filters=count), [last])
            last = name
        graph = graph.add(f"pool{block}", Pooling(), [last])
        last = f"pool{block}"
    names = [last, "fc6", "fc7"]
    for source, name in pairwise(names):
        graph = graph.add(name, FullyConnected(n=4096, act="RECTIFIER"), [source])
    return graph.add("fc8", Output(n=1000), ["fc7"])


def lenet() -> Graph:
    """Return the LeNet of the Theano tutorial: 20 and 50 filters of 5x5 without padding."""
    return (
        Graph("lenet")
        .add("data", Input(n_channels=1, width=28, height=28))
        .add("conv1", Convolution(n_filters=20, width=5, padding=0, act="TANH"), ["data"])
        .add("pool1", Pooling(), ["conv1"])
        .add("conv2", Convolution(n_filters=50, width=5, padding=0, act="TANH"), ["pool1"])
        .add("pool2", Pooling(), ["conv2"])
        .add("hidden", FullyConnected(n=500), ["pool2"])
        .add("out", Output(n=10), ["hidden"])
    )


def small(levels: int = 3, *, channels: int = 1) -> Graph:
    """Return a bound network with convolution, batch normalisation and an output."""
    graph = (
        Graph("small")
        .add("data", Input(n_channels=channels, width=4, height=4))
        .add("conv", Convolution(n_filters=2, act="IDENTITY", include_bias=False), ["data"])
        .add("norm", BatchNormalization(act="RECTIFIER"), ["conv"])
        .add("out", Output(), ["norm"])
    )
    return bind(graph, {}, {"out": Target("nominal", levels)})
