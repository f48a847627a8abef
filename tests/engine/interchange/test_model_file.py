import json
from typing import Any

import numpy as np
import pytest

from engine.data.schema import Schema, SchemaRequest
from engine.data.variables import ImageInput, NominalTarget
from engine.errors import DataError, EngineError, GraphError
from engine.graph.spec import Graph
from engine.interchange.model_file import Declaration, ModelFile, read_model, write_model
from engine.interchange.pieces import Pieces
from engine.layers.base import BuildOptions
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output
from engine.weights import Chunk


def small() -> Graph:
    """A network of 2 * 9 + 2 weights, then 32 * 3, then 3 * 2 + 2."""
    graph = Graph("net", "CNN").add("data", Input(n_channels=1, width=4, height=4))
    graph = graph.add("conv", Convolution(n_filters=2), ["data"])
    graph = graph.add("fc", FullyConnected(n=3, include_bias=False), ["conv"])
    return graph.add("out", Output(n=2), ["fc"])


IMAGE = ImageInput(
    layer="data", column="_image_", channels=1, height=4, width=4, channel_order="RGB"
)
SCHEMA = Schema(
    inputs=(IMAGE,),
    targets=(NominalTarget(layer="out", name="_label_", levels=("cat", "dog")),),
    options=BuildOptions(),
    request=SchemaRequest(),
    rows_read=2,
    rows_used=2,
)


def numbers() -> list[Chunk]:
    draw = np.random.default_rng(1)
    return [
        Chunk(spec, 0, draw.normal(size=spec.size).astype(np.float32))
        for spec in Declaration(small(), SCHEMA).specs
    ]


def written(**more: Any) -> bytes:
    return b"".join(write_model(Declaration(small(), SCHEMA, **more), numbers()))


def reread(blob: bytes) -> ModelFile:
    return read_model(Pieces("the file", len(blob), [blob]))


def changed(**metadata: str | None) -> bytes:
    """Return a file with other metadata; None leaves one out."""
    blob = written()
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length])
    kept = {**header["__metadata__"], **metadata}
    header["__metadata__"] = {key: value for key, value in kept.items() if value is not None}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + blob[8 + length :]


def declaration(**changes: Any) -> str:
    blob = written()
    length = int.from_bytes(blob[:8], "little")
    model = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"]["model"])
    return json.dumps({**model, **changes})


def with_layer(place: int, **options: Any) -> str:
    model = json.loads(declaration())
    model["layers"][place]["layer"] |= options
    return json.dumps(model)


def test_a_model_comes_back_as_it_was_written() -> None:
    found = reread(written(layers=("fc",), lineage={"seed": 7}))

    assert found.declaration.graph == small()
    assert found.declaration.schema == SCHEMA
    assert found.declaration.layers == ("fc",)
    assert found.declaration.lineage == {"seed": 7}
    chunks = list(found.chunks())
    assert [chunk.spec for chunk in chunks] == [chunk.spec for chunk in numbers()]
    for got, expected in zip(chunks, numbers(), strict=True):
        np.testing.assert_array_equal(got.values, expected.values)


def test_ids_with_gaps_are_kept() -> None:
    graph = small().add("late", Convolution(n_filters=1), ["data"]).remove("late")
    graph = graph.add("more", FullyConnected(n=1), ["conv"])
    declared = Declaration(graph, SCHEMA)
    chunks = [Chunk(spec, 0, np.zeros(spec.size, np.float32)) for spec in declared.specs]

    found = reread(b"".join(write_model(declared, chunks)))

    assert [node.id for node in found.declaration.graph.nodes] == [0, 1, 2, 3, 4]
    assert found.declaration.graph == graph


BAD: tuple[tuple[dict[str, Any], type[EngineError], str], ...] = (
    (
        {"version": "2"},
        DataError,
        "the file has format 'castorch.model' and version '2', expected 'castorch.model' and '1'",
    ),
    (
        {"format": None},
        DataError,
        "the file has format None and version '1', expected 'castorch.model' and '1'",
    ),
    (
        {"model": "nothing"},
        DataError,
        "the file holds no 'model' in its metadata, expected a JSON object",
    ),
    (
        {"layers": "{}"},
        DataError,
        "the file holds no 'layers' in its metadata, expected a JSON list",
    ),
    (
        {"lineage": "[" * 100_000},
        DataError,
        "the file holds no 'lineage' in its metadata, expected a JSON object",
    ),
    (
        {"schema": "{}"},
        DataError,
        "the file holds a data schema this version cannot read",
    ),
    (
        {"layers": '["cons"]'},
        GraphError,
        "the layer 'cons' does not exist in model 'net'; did you mean 'conv'?",
    ),
    (
        {"model": declaration(family="GAN")},
        DataError,
        "the file declares a model 'net' of family 'GAN', expected a name and one of CNN, DNN, RNN",
    ),
    (
        {"model": with_layer(1, include_bias=False)},
        DataError,
        "the file holds array 'conv.bias' as (2,), expected nothing by its declaration",
    ),
)


@pytest.mark.parametrize(("metadata", "error", "message"), BAD)
def test_metadata_that_do_not_fit_are_refused(
    metadata: dict[str, Any], error: type[EngineError], message: str
) -> None:
    with pytest.raises(error) as caught:
        reread(changed(**metadata))

    assert caught.value.message == message


def test_a_declaration_of_more_than_the_file_holds_asks_for_no_memory() -> None:
    with pytest.raises(DataError) as caught:
        reread(changed(model=with_layer(2, n=60_000_000)))

    assert caught.value.message == (
        "the file holds array 'fc.weight' as (32, 3), expected (32, 60000000) by its declaration"
    )
