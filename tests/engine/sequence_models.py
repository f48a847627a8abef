"""Networks over sequences whose counts are printed in notebooks that use the original.

Each function returns a graph bound to data; the structures are deduced from the printed counts.

Source: the deepLearn reference, table of parameter counts (2.5).
"""

from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.attention import MultiHeadAttention
from engine.layers.base import Layer, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Concatenation, Residual
from engine.layers.normalization import BatchNormalization, LayerNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.layers.recurrent import RecurrentLayer
from engine.layers.reshape import Reshape

STEPS = 20
"""Steps of a sequence; no count depends on it."""


def recurrent(n: int, kind: str = "GRU", **options: object) -> RecurrentLayer:
    return RecurrentLayer.model_validate({"n": n, "rnn_type": kind, **options})


def with_pair(graph: Graph, name: str, n: int, *sources: str, keeps_steps: bool) -> Graph:
    """Return the graph with two GRU layers, one of each direction, name + 'f' and name + 'b'."""
    output = "SAMELENGTH" if keeps_steps else "ENCODING"
    for suffix, is_reversed in (("f", False), ("b", True)):
        twin = recurrent(n, output_type=output, reversed=is_reversed)
        graph = graph.add(f"{name}{suffix}", twin, sources)
    return graph


def bound(graph: Graph, values: int, levels: int) -> Graph:
    return bind(graph, {"data": (STEPS, values)}, {"out": Target("nominal", levels)})


def yelp() -> Graph:
    """Return two pairs of GRU 64 and one GRU 64 on embeddings of 100 values, two levels."""
    graph = with_pair(Graph("yelp").add("data", Input()), "a", 64, "data", keeps_steps=True)
    graph = with_pair(graph, "b", 64, "af", "ab", keeps_steps=True)
    graph = graph.add("c", recurrent(64), ["bf", "bb"]).add("out", Output(), ["c"])
    return bound(graph, 100, 2)


def text_classification() -> Graph:
    """Return three pairs of GRU 10 on embeddings of 100 values, three levels."""
    graph = with_pair(Graph("text").add("data", Input()), "a", 10, "data", keeps_steps=True)
    graph = with_pair(graph, "b", 10, "af", "ab", keeps_steps=True)
    graph = with_pair(graph, "c", 10, "bf", "bb", keeps_steps=False)
    graph = graph.add("joined", Concatenation(), ["cf", "cb"]).add("out", Output(), ["joined"])
    return bound(graph, 100, 3)


def speech(token: int, levels: int) -> Graph:
    """Return one pair of GRU 15, a few levels."""
    graph = with_pair(Graph("speech").add("data", Input()), "a", 15, "data", keeps_steps=False)
    graph = graph.add("joined", Concatenation(), ["af", "ab"]).add("out", Output(), ["joined"])
    return bound(graph, token, levels)


def audio_filters() -> Graph:
    """Return 3x3 convolutions of 16, 32 and 64 maps, normalised, on 1000 x 40, as a sequence."""
    graph = Graph("audio").add("data", Input(n_channels=1, width=40, height=1000))
    last = "data"
    for maps in (16, 32, 64):
        convolution = Convolution(n_filters=maps, act="IDENTITY", include_bias=False)
        graph = graph.add(f"conv{maps}", convolution, [last])
        graph = graph.add(f"norm{maps}", BatchNormalization(act="RECTIFIER"), [f"conv{maps}"])
        graph = graph.add(f"pool{maps}", Pooling(), [f"norm{maps}"])
        last = f"pool{maps}"
    # 125 steps of 64 maps x 5 columns
    return graph.add("steps", Reshape(width=320, height=125, depth=1), [last])


def audio(*sizes: int) -> Graph:
    """Return LSTM layers after the filters, three levels."""
    graph, last = audio_filters(), "steps"
    for place, n in enumerate(sizes):
        output = "ENCODING" if place == len(sizes) - 1 else "SAMELENGTH"
        graph = graph.add(f"lstm{place}", recurrent(n, "LSTM", output_type=output), [last])
        last = f"lstm{place}"
    return bind(graph.add("out", Output(), [last]), {}, {"out": Target("nominal", 3)})


def multitask() -> Graph:
    """Return two normalised 3x3 convolutions of 64 maps, fc 512 and nine outputs of two levels."""
    graph = Graph("tasks").add("data", Input(n_channels=3, width=200, height=200))
    last = "data"
    for place in range(2):
        convolution = Convolution(n_filters=64, act="IDENTITY", include_bias=False)
        graph = graph.add(f"conv{place}", convolution, [last])
        graph = graph.add(f"norm{place}", BatchNormalization(), [f"conv{place}"])
        graph = graph.add(f"pool{place}", Pooling(), [f"norm{place}"])
        last = f"pool{place}"
    graph = graph.add("hidden", FullyConnected(n=512), [last])
    tasks = [f"task{place}" for place in range(9)]
    for name in tasks:
        graph = graph.add(name, Output(), ["hidden"])
    return bind(graph, {}, {name: Target("nominal", 2) for name in tasks})


def bert() -> Graph:
    """Return twelve blocks of attention and two fully connected layers a step, on 768 values."""
    size, inner = 768, 3072
    graph, last = Graph("bert").add("data", Input()), "norm"
    graph = graph.add(last, LayerNormalization(), ["data"])
    for block in range(12):
        names = {part: f"{part}{block}" for part in ("see", "sum", "norm", "up", "down", "end")}
        steps: list[tuple[str, Layer, list[str]]] = [
            ("see", MultiHeadAttention(n=size, n_attn_heads=12), [last]),
            ("sum", Residual(), [names["see"], last]),
            ("norm", LayerNormalization(), [names["sum"]]),
            ("up", FullyConnected(n=inner, act="GELU", per_step=True), [names["norm"]]),
            ("down", FullyConnected(n=size, act="IDENTITY", per_step=True), [names["up"]]),
            ("end", Residual(), [names["down"], names["norm"]]),
        ]
        for part, layer, sources in steps:
            graph = graph.add(names[part], layer, sources)
        graph = graph.add(f"last{block}", LayerNormalization(), [names["end"]])
        last = f"last{block}"
    graph = graph.add("code", recurrent(size, "RNN"), [last])
    graph = graph.add("pooler", FullyConnected(n=size), ["code"]).add("out", Output(), ["pooler"])
    return bound(graph, size, 2)
