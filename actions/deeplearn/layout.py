"""Models and weights as the tables CAS knows.

The model table has one row for the model and, per layer, one for its type, one per source, one if
it shares weights, and one per option, with resolved values (``actions.deeplearn.layout_types``).
Options of ours, which CAS does not know, have a row where they differ from their default: the key
is ``<prefix>.<option>`` in lower case, items of lists end in ``.0``, ``.1`` and so on, text stands
in ``_DLChrVal_`` and a number in ``_DLNumVal_``.

Source: CAS REST dialect, model table and weights table.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic_core import PydanticUndefined

from actions.deeplearn.layout_types import LAYOUTS
from actions.deeplearn.layout_words import FAMILIES, LAYER_TITLES
from actions.fields import camel
from engine.graph.spec import Graph, Node
from engine.weights import Chunk

_MODEL: list[tuple[str, pa.DataType]] = [
    ("_DLKey0_", pa.string()),
    ("_DLKey1_", pa.string()),
    ("_DLChrVal_", pa.string()),
    ("_DLNumVal_", pa.float64()),
    ("_DLLayerID_", pa.float64()),
]

_WEIGHTS: list[tuple[str, pa.DataType]] = [
    ("_LayerID_", pa.int64()),
    ("_WeightID_", pa.int64()),
    ("_Weight_", pa.float32()),
]

MODEL_SCHEMA = pa.schema(_MODEL)
WEIGHTS_SCHEMA = pa.schema(_WEIGHTS)

Row = tuple[str, str, str | None, float | None, float | None]


def model_rows(graph: Graph) -> Iterator[Row]:
    """Yield the rows of a model table: two keys, text, number, layer id."""
    text, code = FAMILIES[graph.family]
    yield graph.name, "modeltype", text, float(code), None
    ids = {node.name: node.id for node in graph.nodes}
    for node in graph.nodes:
        yield from _layer_rows(node, ids)


def _layer_rows(node: Node, ids: dict[str, int]) -> Iterator[Row]:
    layer, place = node.layer, float(node.id)
    yield node.name, "layertype", LAYER_TITLES[layer.type], float(layer.code), place
    for key, text, number in option_rows(node):
        yield node.name, key, text, number, place
    for order, source in enumerate(node.sources):
        yield node.name, f"srclayers.{order}", source, float(ids[source]), place
    if node.shared is not None:
        yield node.name, "sharedweights", node.shared, float(ids[node.shared]), place


def count_rows(node: Node) -> int:
    """Return the number of rows a layer has in a model table."""
    own = 1 + len(node.sources) + (node.shared is not None)
    return own + sum(1 for _ in option_rows(node))


def option_rows(node: Node) -> Iterator[tuple[str, str | None, float | None]]:
    """Yield key, text and number of every option of a layer."""
    layer, layout = node.layer, LAYOUTS[node.layer.type]
    for entry in layout.entries:
        for key, text, number in entry.rows(layer):
            yield f"{layer.prefix}.{key}", text, number
    for name, field in type(layer).model_fields.items():
        is_plain = field.default is not PydanticUndefined and getattr(layer, name) == field.default
        if name != "type" and name not in layout.fields and not is_plain:
            value = layer.model_dump(mode="json", include={name}).get(name)
            yield from _own_rows(f"{layer.prefix}.{camel(name).lower()}", value)


def _own_rows(key: str, value: Any) -> Iterator[tuple[str, str | None, float | None]]:
    match value:
        case None:
            return
        case dict():
            for name, each in value.items():
                yield from _own_rows(f"{key}.{camel(name).lower()}", each)
        case list():
            for place, each in enumerate(value):
                yield from _own_rows(f"{key}.{place}", each)
        case str():
            yield key, value, None
        case _:
            yield key, key.rpartition(".")[2], float(value)


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
