"""The convolutional network for sentences of the literature: facts F88 to F95.

Source: the deepLearn reference, text CNN (5.5); Zhang and Wallace, 2015.
"""

import numpy as np
import torch

from engine.compile.lower import compile_graph
from engine.data.encode import Encoder
from engine.data.learn import learn_schema
from engine.data.schema import SchemaRequest, bound_graph
from engine.data.text import Embeddings, tokens
from engine.devices import seeded
from engine.graph.infer import account, bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.merge import Concatenation
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.layers.recurrent import Projection
from engine.layers.reshape import Reshape
from tests.engine.networks import objects
from tests.engine.rows import built

SENTENCE = "I like this movie very much!"
WORDS = 7
VALUES = 5


def text_cnn(*, projected: bool = False) -> Graph:
    """Return filters of 2, 3 and 4 words, two each, the largest value of each, and an output."""
    graph, last = Graph("sentences").add("words", Input()), "words"
    if projected:
        graph = graph.add("vectors", Projection(embedding_size=VALUES, alphabet_size=50), [last])
        last = "vectors"
    graph = graph.add("page", Reshape(width=VALUES, height=WORDS, depth=1), [last])
    for words in (2, 3, 4):
        filters = Convolution(n_filters=2, width=VALUES, height=words, padding=0)
        graph = graph.add(f"region{words}", filters, ["page"])
        graph = graph.add(f"best{words}", Pooling(width=0, height=0), [f"region{words}"])
    graph = graph.add("features", Concatenation(), ["best2", "best3", "best4"])
    return graph.add("out", Output(), ["features"])


def bound(graph: Graph, values: int = VALUES) -> Graph:
    return bind(graph, {"words": (WORDS, values)}, {"out": Target("nominal", 2)})


def test_a_sentence_of_seven_tokens_is_a_page_of_seven_by_five() -> None:
    # F88
    assert len(tokens(SENTENCE)) == WORDS
    assert bound(text_cnn()).shapes["page"] == (1, WORDS, VALUES)


def test_each_filter_gives_a_column_as_long_as_there_are_places_for_it() -> None:
    # F89, F90: s - h + 1 = 6, 5, 4
    shapes = bound(text_cnn()).shapes

    assert [shapes[f"region{words}"] for words in (2, 3, 4)] == [(2, 6, 1), (2, 5, 1), (2, 4, 1)]


def test_the_largest_values_make_six_features() -> None:
    # F93
    assert bound(text_cnn()).shapes["features"] == (6, 1, 1)


def test_the_network_has_a_hundred_and_ten_parameters() -> None:
    # F94: 2 (10 + 15 + 20) = 90 and 6 biases, 12 and 2
    layers = account(bound(text_cnn()))

    assert sum(layer.weights or 0 for layer in layers) == 90 + 12
    assert sum(layer.biases or 0 for layer in layers) == 6 + 2


def test_one_bias_is_added_at_every_place_before_the_activation() -> None:
    # F92: c = act(o + bias), of the same shape as o; the bias is one number
    page = torch.randn(1, 1, WORDS, VALUES, generator=seeded(4))
    plain = Convolution(n_filters=1, width=VALUES, height=2, padding=0, act="IDENTITY")
    rectified = plain.model_copy(update={"act": "RECTIFIER"})
    modules = [built(layer, (1, WORDS, VALUES)) for layer in (plain, rectified)]
    for module, bias in zip(modules, (0.0, -0.5), strict=True):
        module.get_parameter("weight").data.fill_(0.5)
        module.get_parameter("bias").data.fill_(bias)

    o, c = (module(page).detach() for module in modules)

    assert modules[1].get_parameter("bias").shape == (1,)
    assert o.shape == c.shape == (1, 1, 6, 1)
    by_hand = np.array([0.5 * page[0, 0, at : at + 2].sum().item() for at in range(6)])
    np.testing.assert_allclose(o.flatten(), by_hand, atol=1e-5)
    np.testing.assert_allclose(c.flatten(), np.maximum(by_hand - 0.5, 0), atol=1e-5)


def test_word_vectors_are_the_weights_of_a_projection_or_stay_as_they_are() -> None:
    # F95: 50 words of 5 values more, trained unless the layer is frozen
    assert sum(layer.weights or 0 for layer in account(bound(text_cnn(projected=True), 1))) == 352
    assert all(layer.weights == 0 for layer in account(bound(text_cnn())) if layer.id == 0)


def test_a_filter_of_two_words_is_their_weighted_sum() -> None:
    # F91, with numbers of our own: 1 * 1 + 2 * 3 and 1 * 3 + 2 * (-2), rectified; the largest is 7
    vectors = np.zeros((3, VALUES), dtype=np.float32)
    vectors[:, 0] = [1.0, 3.0, -2.0]
    embeddings = Embeddings.of("vectors", ["a", "b", "c"], vectors)
    columns = {"text": objects("a b c", "c b a"), "y": objects("n", "p")}
    graph = Graph("two").add("words", Input())
    graph = graph.add("page", Reshape(width=VALUES, height=3, depth=1), ["words"])
    filters = Convolution(n_filters=1, width=VALUES, height=2, padding=0)
    graph = graph.add("pairs", filters, ["page"])
    graph = graph.add("best", Pooling(width=0, height=0), ["pairs"]).add("out", Output(), ["best"])
    request = SchemaRequest(inputs=("text",), texts=("text",), target=("y",))
    schema = learn_schema(request, graph, [columns], BuildOptions(), embeddings)
    model = compile_graph(
        bound_graph(schema, graph), schema.options, generator=seeded(1), outputs=["pairs", "best"]
    )
    weight = torch.zeros(1, 1, 2, VALUES)
    weight[0, 0, :, 0] = torch.tensor([1.0, 2.0])
    model.tensor(model.specs[0]).data.copy_(weight)

    found = model(Encoder(schema).encode(columns).inputs)

    # "c b a" gives -2 + 6 = 4 and 3 + 2 = 5
    assert found["pairs"].flatten(1).tolist() == [[7.0, 0.0], [4.0, 5.0]]
    assert found["best"].flatten().tolist() == [7.0, 5.0]
