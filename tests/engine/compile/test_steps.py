import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.attention import MultiHeadAttention
from engine.layers.base import BuildOptions, Layer, Target
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import LayerNormalization
from engine.layers.output import Output
from engine.layers.recurrent import RecurrentLayer
from engine.sequences import lengths_of

ENCODER = RecurrentLayer(n=3, rnn_type="GRU")
BOTH_WAYS = [
    RecurrentLayer(n=2, output_type="SAMELENGTH"),
    RecurrentLayer(n=2, output_type="SAMELENGTH", reversed=True),
]


def network(*between: Layer, steps: int = 6) -> CompiledModel:
    """Return input, the layers one after another, and an encoder, with fixed weights."""
    graph, last = Graph("net").add("data", Input()), "data"
    for place, layer in enumerate(between):
        graph = graph.add(f"layer{place}", layer, [last])
        last = f"layer{place}"
    graph = graph.add("code", ENCODER, [last]).add("out", Output(), ["code"])
    bound = bind(graph, {"data": (steps, 4)}, {"out": Target("nominal", 2)})
    return compile_graph(bound, BuildOptions(), generator=seeded(1))


def is_padding_ignored(*between: Layer) -> bool:
    """Return whether rows padded with rubbish give what they give without."""
    whole = torch.randn(2, 4, 4, generator=seeded(2))
    padded = torch.cat([whole, torch.full((2, 2, 4), 9.0)], 1)
    short, long = network(*between, steps=4), network(*between, steps=6)
    lengths = {lengths_of("data"): torch.tensor([4, 4])}
    return torch.allclose(
        short({"data": whole})["out"], long({"data": padded, **lengths})["out"], atol=1e-6
    )


def test_lengths_reach_a_layer_through_those_that_keep_the_steps() -> None:
    assert is_padding_ignored()
    assert is_padding_ignored(LayerNormalization(), Residual())
    assert is_padding_ignored(MultiHeadAttention(n=4, n_attn_heads=2), LayerNormalization())
    assert is_padding_ignored(MultiHeadAttention(n=4, n_attn_heads=2, mask="CAUSAL"))
    assert is_padding_ignored(BOTH_WAYS[1])


def test_rows_without_lengths_are_read_to_their_end() -> None:
    model = network()
    rows = torch.randn(2, 6, 4, generator=seeded(2))

    full = model({"data": rows, lengths_of("data"): torch.tensor([6, 6])})
    assert torch.equal(model({"data": rows})["out"], full["out"])
    cut = model({"data": rows, lengths_of("data"): torch.tensor([6, 5])})
    assert not torch.equal(cut["out"][1], full["out"][1])


def two_inputs() -> CompiledModel:
    graph = Graph("net").add("a", Input()).add("b", Input())
    graph = graph.add("code", ENCODER, ["a", "b"]).add("out", Output(), ["code"])
    bound = bind(graph, {"a": (3, 1), "b": (3, 1)}, {"out": Target("nominal", 2)})
    return compile_graph(bound, BuildOptions(), generator=seeded(1))


def test_where_inputs_meet_the_longest_row_counts() -> None:
    model = two_inputs()
    rows = {"a": torch.ones(1, 3, 1), "b": torch.ones(1, 3, 1)}

    def score(a: int, b: int) -> torch.Tensor:
        lengths = {lengths_of("a"): torch.tensor([a]), lengths_of("b"): torch.tensor([b])}
        return model({**rows, **lengths})["out"]

    assert torch.equal(score(2, 1), score(2, 2))
    assert not torch.equal(score(3, 1), score(2, 1))


def test_both_directions_feed_the_next_layer() -> None:
    graph = Graph("net").add("data", Input())
    for place, layer in enumerate(BOTH_WAYS):
        graph = graph.add(f"way{place}", layer, ["data"])
    graph = graph.add("code", ENCODER, ["way0", "way1"]).add("out", Output(), ["code"])
    bound = bind(graph, {"data": (5, 4)}, {"out": Target("nominal", 2)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))
    short = torch.randn(1, 3, 4, generator=seeded(3))
    lengths = {lengths_of("data"): torch.tensor([3])}

    first = model({"data": torch.cat([short, torch.zeros(1, 2, 4)], 1), **lengths})
    second = model({"data": torch.cat([short, torch.ones(1, 2, 4)], 1), **lengths})

    assert torch.equal(first["out"], second["out"])


def test_a_declared_sequence_takes_its_values_in_one_row_too() -> None:
    model = network()
    rows = torch.randn(2, 6, 4, generator=seeded(2))

    assert torch.equal(model({"data": rows.flatten(1)})["out"], model({"data": rows})["out"])
