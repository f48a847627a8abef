"""Models and weights as the tables CAS knows.

The model table has one row for the model and, per layer, one for its type, one per source, one if
it shares weights, and one per option; options that are derived and not set have no row. Keys are in
lower case, an option's is ``<prefix>.<option>``, list items end in ``.0``, ``.1`` and so on.

Source: the ``deepLearn`` reference, model table and weight table.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from actions.fields import camel
from engine.graph.spec import Graph, Node
from engine.weights import Chunk

_MODEL: list[tuple[str, pa.DataType]] = [
    ("_DLKey0_", pa.string()),
    ("_DLKey1_", pa.string()),
    ("_DLChrVal_", pa.string()),
    ("_DLNumVal_", pa.float64()),
    ("_DLLayerID_", pa.int64()),
]

_WEIGHTS: list[tuple[str, pa.DataType]] = [
    ("_LayerID_", pa.int64()),
    ("_WeightID_", pa.int64()),
    ("_Weight_", pa.float32()),
]

MODEL_SCHEMA = pa.schema(_MODEL)
WEIGHTS_SCHEMA = pa.schema(_WEIGHTS)

FAMILIES = {"DNN": 0, "CNN": 1, "RNN": 2}
"""The numbers of the network families in the first row."""

Row = tuple[str, str, str | None, float | None, int | None]


def model_rows(graph: Graph) -> Iterator[Row]:
    """Yield the rows of a model table: two keys, text, number, layer id."""
    yield graph.name, "modeltype", graph.family, float(FAMILIES.get(graph.family, 0)), None
    ids = {node.name: node.id for node in graph.nodes}
    for node in graph.nodes:
        yield from _layer_rows(node, ids)


def _layer_rows(node: Node, ids: dict[str, int]) -> Iterator[Row]:
    layer = node.layer
    yield node.name, "layertype", layer.title, float(layer.code), node.id
    for place, source in enumerate(node.sources):
        key = "srclayers" if len(node.sources) == 1 else f"srclayers.{place}"
        yield node.name, key, source, float(ids[source]), node.id
    if node.shared is not None:
        yield node.name, "sharedweights", node.shared, float(ids[node.shared]), node.id
    for option, value in layer.model_dump(mode="json", exclude={"type"}).items():
        yield from _option_rows(node, f"{layer.prefix}.{camel(option).lower()}", value)


def _option_rows(node: Node, key: str, value: Any) -> Iterator[Row]:
    match value:
        case None:
            return
        case dict():
            for name, each in value.items():
                yield from _option_rows(node, f"{key}.{camel(name).lower()}", each)
        case list():
            for place, each in enumerate(value):
                yield from _option_rows(node, f"{key}.{place}", each)
        case str():
            yield node.name, key, value, None, node.id
        case _:
            yield node.name, key, None, float(value), node.id


def model_batch(graph: Graph) -> pa.RecordBatch:
    """Return a model table."""
    columns: list[tuple[object, ...]] = list(zip(*model_rows(graph), strict=True))
    return pa.record_batch(
        [pa.array(each, field.type) for each, field in zip(columns, MODEL_SCHEMA, strict=True)],
        schema=MODEL_SCHEMA,
    )


def weight_batches(chunks: Iterable[Chunk]) -> Iterator[pa.RecordBatch]:
    """Yield a weight table from its chunks, in their order."""
    for chunk in chunks:
        first = chunk.spec.first_weight_id + chunk.offset
        size = len(chunk.values)
        yield pa.record_batch(
            [
                pa.array(np.full(size, chunk.spec.layer_id, np.int64)),
                pa.array(np.arange(first, first + size, dtype=np.int64)),
                pa.array(chunk.values, pa.float32()),
            ],
            schema=WEIGHTS_SCHEMA,
        )
