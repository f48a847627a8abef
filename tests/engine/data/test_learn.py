"""Sequences, texts, and several input and task layers: learned and encoded."""

import re
from typing import Any

import numpy as np
import pytest

from engine.data.columns import Columns
from engine.data.encode import ABSENT, UNSEEN, Encoder
from engine.data.learn import learn_schema
from engine.data.schema import (
    DataSpec,
    Schema,
    SchemaRequest,
    SequenceRequest,
    bound_graph,
)
from engine.data.text import Embeddings, tokens
from engine.errors import DataError, NotSupportedError
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.dense import FullyConnected
from engine.layers.embedding import EmbeddingLoss
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.recurrent import RecurrentLayer
from engine.sequences import lengths_of
from tests.engine.networks import objects

NAN = float("nan")
LENGTHS = lengths_of("data")

STEPS: Columns = {
    "a1": np.array([1.0, 5.0]),
    "b1": np.array([10.0, 30.0]),
    "a2": np.array([3.0, NAN]),
    "b2": np.array([20.0, 99.0]),
    "len": np.array([2, 1]),
    "y": objects("no", "yes"),
}
"""Two steps of two values; the second row has one true step."""


def encoder_network(source: Input | None = None) -> Graph:
    graph = Graph("net").add("data", source or Input())
    return graph.add("code", RecurrentLayer(n=2), ["data"]).add("out", Output(), ["code"])


def learned(columns: Columns, graph: Graph | None = None, **request: Any) -> Schema:
    embeddings = request.pop("embeddings", None)
    asked = SchemaRequest.model_validate(request)
    return learn_schema(asked, graph or encoder_network(), [columns], BuildOptions(), embeddings)


def steps_schema(graph: Graph | None = None, columns: Columns = STEPS, **request: Any) -> Schema:
    sequence = SequenceRequest(input_length="len", token_size=2)
    given = {"inputs": ("a1", "b1", "a2", "b2"), "target": ("y",), "sequence": sequence}
    return learned(columns, graph, **{**given, **request})


def test_columns_are_read_step_by_step_and_padding_is_zero() -> None:
    encoded = Encoder(steps_schema()).encode(STEPS)

    assert encoded.inputs["data"].tolist() == [
        [[1.0, 10.0], [3.0, 20.0]],
        [[5.0, 30.0], [0.0, 0.0]],
    ]
    assert encoded.inputs[LENGTHS].tolist() == [2, 1]


def test_a_value_has_one_scale_in_all_steps_and_padding_does_not_count() -> None:
    schema = steps_schema(encoder_network(Input(std="STD")))
    encoded = Encoder(schema).encode(STEPS).inputs["data"]

    # a: 1, 3, 5 of mean 3 and variance 8/3; b: 10, 20, 30 of mean 20 and variance 200/3
    scale_a, scale_b = (8 / 3) ** 0.5, (200 / 3) ** 0.5
    expected = [[[-2 / scale_a, -10 / scale_b], [0, 0]], [[2 / scale_a, 10 / scale_b], [0, 0]]]
    np.testing.assert_allclose(encoded.numpy(), expected, rtol=1e-6)


def test_the_network_is_bound_to_steps_and_values() -> None:
    assert bound_graph(steps_schema(), encoder_network()).shapes["data"] == (2, 2)


def test_a_schema_of_sequences_survives_json() -> None:
    schema = steps_schema()

    assert Schema.model_validate_json(schema.model_dump_json()) == schema
    assert schema.columns == ("a1", "b1", "a2", "b2", "len", "y")


def test_without_a_length_every_step_is_true_and_missing_values_are_replaced() -> None:
    schema = steps_schema(sequence=SequenceRequest(token_size=2))
    encoded = Encoder(schema).encode(STEPS)

    assert encoded.inputs[LENGTHS].tolist() == [2, 2]
    assert encoded.inputs["data"][1, 1].tolist() == [3.0, 99.0]  # (1 + 3 + 5) / 3


def test_a_missing_true_step_drops_the_row_under_the_rule_none() -> None:
    without = SequenceRequest(token_size=2)
    extended = {name: np.append(column, column[:1]) for name, column in STEPS.items()}
    extended["y"] = objects("no", "yes", "yes")
    schema = steps_schema(columns=extended, sequence=without, missing="NONE")

    assert schema.rows_used == 2
    assert Encoder(schema).encode(extended).used.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("length", "got"), [(0.0, "0"), (3.0, "3"), (1.5, "1.5"), (NAN, "a missing value")]
)
def test_a_length_that_is_none_is_refused_with_its_row(length: float, got: str) -> None:
    columns = {**STEPS, "len": np.array([2.0, length])}
    message = f"column 'len', row 1 got {got}, expected the number of true steps, 1 to 2"

    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        steps_schema(columns=columns)
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Encoder(steps_schema(), "score").encode(columns)


def test_columns_that_make_no_whole_steps_are_refused() -> None:
    message = (
        r"^layer 'data' \(input\) got 3 variables, expected a multiple of 2, the values of a step$"
    )
    with pytest.raises(DataError, match=message):
        steps_schema(inputs=("a1", "b1", "a2"))


def test_nominal_steps_are_refused() -> None:
    message = (
        r"^column 'a1' of a sequence is nominal, which is not supported yet; expected numbers, or "
        r"token ids before a projection layer$"
    )
    with pytest.raises(NotSupportedError, match=message):
        steps_schema(nominals=("a1",))


def test_a_number_that_float32_cannot_hold_is_refused() -> None:
    columns = {**STEPS, "a2": np.array([1e300, 0.0])}
    message = r"^column 'a2', row 0 got 1e\+300, expected a number that float32 can hold$"
    with pytest.raises(DataError, match=message):
        Encoder(steps_schema()).encode(columns)


def test_rows_of_an_image_are_steps_without_true_lengths() -> None:
    graph = per_step(Input(n_channels=1, width=2, height=2))
    columns = {
        **{name: STEPS[name] for name in ("a1", "b1", "b2", "len")},
        "a2": np.array([3.0, 4.0]),
        **{name: LABELS[name][:2] for name in ("t1", "t2")},
    }
    request = {"inputs": ("a1", "b1", "a2", "b2"), "target_sequence": ("t1", "t2")}
    schema = learned(columns, graph, **request, sequence=SequenceRequest(target_length="len"))

    assert bound_graph(schema, graph).shapes["out"] == (2, 3)
    message = (
        r"^layer 'data' \(input\) got the length 'len', expected none: only sequences of columns "
        r"have true lengths$"
    )
    with pytest.raises(DataError, match=message):
        learned(columns, graph, **request, sequence=SequenceRequest(input_length="len"))


LABELS: Columns = {
    "x1": np.array([1.0, 2.0, 3.0]),
    "x2": np.array([1.0, 2.0, 3.0]),
    "t1": objects("b", "a", None),
    "t2": objects("c", "a", None),
    "n": np.array([2, 1, 2]),
}


def labelled(length: str | None = "n", **request: Any) -> Schema:
    sequence = SequenceRequest(target_length=length)
    given = {"inputs": ("x1", "x2"), "target_sequence": ("t1", "t2"), "sequence": sequence}
    return learned(LABELS, per_step(), **{**given, **request})


def per_step(source: Input | None = None) -> Graph:
    layer = RecurrentLayer(n=2, output_type="SAMELENGTH")
    graph = Graph("net").add("data", source or Input()).add("states", layer, ["data"])
    return graph.add("out", Output(), ["states"])


def test_targets_of_all_steps_share_their_levels() -> None:
    schema = labelled()
    encoded = Encoder(schema).encode(LABELS)

    assert schema.targets[0].levels == ("a", "b", "c")  # type: ignore[union-attr]
    # the third row has no level at all
    assert encoded.used.tolist() == [True, True, False]
    assert encoded.targets["out"].tolist() == [[1, 2], [0, ABSENT]]
    assert bound_graph(schema, per_step()).shapes["out"] == (2, 3)


def test_a_level_training_did_not_see_is_known_as_such() -> None:
    odd = {**LABELS, "t2": objects("d", "d", "d")}
    message = r"^target 't2', row 0 got 'd', expected one of the 3 levels of the schema$"
    with pytest.raises(DataError, match=message):
        Encoder(labelled()).encode(odd)

    encoder = Encoder(labelled(), "score")
    assert encoder.encode(odd).targets["out"].tolist() == [[1, -1], [0, ABSENT], [ABSENT, UNSEEN]]
    assert encoder.unseen["t1"] == 2


def test_a_target_of_one_level_is_refused() -> None:
    message = r"^target 't1' has one level, 'a', expected at least two$"
    columns = {**LABELS, "t1": objects("a", "a", "a"), "t2": objects("a", "a", "a")}
    request = SchemaRequest(inputs=("x1", "x2"), target_sequence=("t1", "t2"))
    with pytest.raises(DataError, match=message):
        learn_schema(request, per_step(), [columns], BuildOptions())


NUMBERS: Columns = {
    "x1": np.array([1.0, 2.0]),
    "x2": np.array([1.0, 2.0]),
    "t1": np.array([1.0, 3.0]),
    "t2": np.array([NAN, 5.0]),
    "n": np.array([2, 1]),
}


def numeric(**request: Any) -> Schema:
    sequence = SequenceRequest(target_length="n")
    given = {"inputs": ("x1", "x2"), "target_sequence": ("t1", "t2"), "sequence": sequence}
    return learned(NUMBERS, per_step(), **{**given, **request})


def test_numbers_of_all_steps_share_their_scale_and_padding_is_missing() -> None:
    # true values are 1, 3 of mean 2; the 5 is padding
    encoded = Encoder(numeric()).encode(NUMBERS)

    np.testing.assert_array_equal(encoded.targets["out"], [[1.0, 2.0], [3.0, NAN]])
    scored = Encoder(numeric(), "score").encode({k: v for k, v in NUMBERS.items() if k != "n"})
    assert "out" not in scored.targets


def test_a_missing_number_drops_the_row_under_the_rule_none() -> None:
    schema = numeric(target_missing="NONE")

    assert schema.rows_used == 1
    assert Encoder(schema).encode(NUMBERS).used.tolist() == [False, True]


VECTORS = Embeddings.of(
    "words",
    ["good", "bad", "!"],
    np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], dtype=np.float32),
)
TEXTS: Columns = {
    "text": objects("Good , good!", "bad", "  "),
    "y": objects("p", "n", "n"),
}


def text_schema(**request: Any) -> Schema:
    given = {"inputs": ("text",), "texts": ("text",), "target": ("y",), "embeddings": VECTORS}
    return learned(TEXTS, **{**given, **request})


def test_punctuation_is_a_token_of_its_own() -> None:
    # F88: seven tokens, punctuation counted
    assert tokens("I like this movie very much!") == [
        "I",
        "like",
        "this",
        "movie",
        "very",
        "much",
        "!",
    ]
    assert tokens("don't  stop...") == ["don", "'", "t", "stop", ".", ".", "."]


def test_a_text_is_the_vectors_of_its_tokens() -> None:
    schema = text_schema()
    encoded = Encoder(schema).encode(TEXTS)

    # "Good" is found in lower case, "," has no vector; the blank text is missing
    assert encoded.inputs["data"].tolist() == [
        [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        [[-1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
    ]
    assert encoded.inputs[LENGTHS].tolist() == [4, 1]
    assert encoded.used.tolist() == [True, True, False]
    assert bound_graph(schema, encoder_network()).shapes["data"] == (4, 2)


def test_a_longer_text_is_cut_when_scoring() -> None:
    long = {"text": objects("bad bad bad bad good good")}
    encoded = Encoder(text_schema(), "score").encode(long)

    assert encoded.inputs["data"][0, :, 0].tolist() == [-1.0, -1.0, -1.0, -1.0]
    assert encoded.inputs[LENGTHS].tolist() == [4]


def test_vectors_are_kept_with_the_schema_or_given_again() -> None:
    schema = Schema.model_validate_json(text_schema().model_dump_json())
    other = Embeddings.of("words", ["bad"], np.array([[7.0, 7.0]], dtype=np.float32))

    assert Encoder(schema).encode(TEXTS).inputs["data"][1, 0].tolist() == [-1.0, 0.0]
    given = Encoder(schema, embeddings=other).encode(TEXTS)
    assert given.inputs["data"][1, 0].tolist() == [7.0, 7.0]


def test_vectors_that_are_too_large_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.text.KEPT_BYTES", 8)
    schema = text_schema()
    message = (
        r"^text 'text' needs the embeddings 'words', which are too large to be kept with the "
        r"weights; expected textParms with initInputEmbeddings$"
    )

    with pytest.raises(DataError, match=message):
        Encoder(schema)
    assert Encoder(schema, embeddings=VECTORS).encode(TEXTS).rows == 2


def test_vectors_of_another_size_are_refused() -> None:
    other = Embeddings.of("more", ["a"], np.zeros((1, 3), dtype=np.float32))
    message = r"^embeddings 'more' got vectors of 3 values, expected 2, as in training$"
    with pytest.raises(DataError, match=message):
        Encoder(text_schema(), embeddings=other)


def test_embeddings_without_terms_are_refused() -> None:
    message = (
        r"^embeddings 'none' got 0 terms of 2 values, expected a column of terms and at least one "
        r"column of numbers$"
    )
    with pytest.raises(DataError, match=message):
        Embeddings.of("none", [], np.zeros((0, 2), dtype=np.float32))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"embeddings": None},
            (
                "text 'text' got no embeddings, expected textParms with initInputEmbeddings: a "
                "table of terms and their vectors"
            ),
        ),
        (
            {"inputs": ("text", "more")},
            "layer 'data' (input) got the variables ['text', 'more'], expected one text",
        ),
        ({"texts": ("words",)}, "text 'words' is no input variable, expected one of ['text']"),
    ],
)
def test_texts_that_cannot_be_read_are_refused(request_: dict[str, Any], message: str) -> None:
    columns = {**TEXTS, "more": objects("a", "b", "c")}
    given = {"inputs": ("text",), "texts": ("text",), "target": ("y",), "embeddings": VECTORS}
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        learned(columns, **{**given, **request_})


@pytest.mark.parametrize(("cell", "shown"), [(3.5, "3.5"), (b"abc", "3 bytes")])
def test_a_cell_that_is_no_text_is_refused(cell: object, shown: str) -> None:
    columns = {"text": objects("a", cell)}
    with pytest.raises(DataError, match=rf"^column 'text', row 1 got {shown}, expected text$"):
        Encoder(text_schema(), "score").encode(columns)


def branched() -> Graph:
    """Return a network with two input layers and two task layers."""
    graph = Graph("net").add("numbers", Input()).add("words", Input())
    graph = graph.add("code", RecurrentLayer(n=2), ["words"])
    graph = graph.add("kind", Output(), ["code"])
    return graph.add("price", Output(), ["numbers"])


MIXED: Columns = {
    **TEXTS,
    "size": np.array([1.0, 2.0, 3.0]),
    "price": np.array([10.0, 20.0, 30.0]),
}

SPECS = (
    DataSpec(layer="numbers", data=("size",)),
    DataSpec(layer="WORDS", data=("text",), is_text=True),
    DataSpec(layer="kind", data=("y",)),
    DataSpec(layer="price", data=("price",), loss_scale=0.5),
)


def test_every_layer_gets_the_data_of_its_spec() -> None:
    schema = learned(MIXED, branched(), specs=SPECS, embeddings=VECTORS)
    encoded = Encoder(schema).encode(MIXED)

    assert set(encoded.inputs) == {"numbers", "words", lengths_of("words")}
    assert encoded.targets["kind"].tolist() == [1, 0]
    assert encoded.targets["price"].tolist() == [[10.0], [20.0]]
    assert schema.loss_scales == {"price": 0.5}
    scored = Encoder(schema, "score").encode({k: v for k, v in MIXED.items() if k != "price"})
    assert set(scored.targets) == {"kind"}


def test_a_task_layer_that_has_no_target_needs_no_spec() -> None:
    names = ("anchor", "near", "far")
    graph = Graph("net")
    for name in names:
        graph = graph.add(name, Input())
        graph = graph.add(f"of_{name}", FullyConnected(n=2), [name])
    graph = graph.add("apart", EmbeddingLoss(), [f"of_{name}" for name in names])
    columns = {name: np.array([1.0, 2.0]) for name in names}
    specs = tuple(DataSpec(layer=name, data=(name,)) for name in names)

    schema = learned(columns, graph, specs=specs)

    assert [(each.layer, each.names) for each in schema.targets] == [("apart", ())]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (SPECS[:3], "layer 'price' got no data, expected one of the dataSpecs to name it"),
        (
            (*SPECS, DataSpec(layer="code", data=("size",))),
            (
                "dataSpecs got the layer 'code', expected an input or task layer: 'kind', "
                "'numbers', 'price', 'words'"
            ),
        ),
        (
            (*SPECS, SPECS[0]),
            "dataSpecs got the layer 'numbers' twice, expected each layer once",
        ),
    ],
)
def test_specs_name_every_layer_once(specs: tuple[DataSpec, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        learned(MIXED, branched(), specs=specs, embeddings=VECTORS)
