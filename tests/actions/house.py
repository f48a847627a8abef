"""What tests of actions share: small models, small tables, and the state of a store."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from actions.context import Context
from actions.memory import MemoryStores
from actions.ports import Name, Output
from actions.results import ActionResult

Run = Callable[..., ActionResult]

SMALL_CNN: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 4, "height": 4}},
    {
        "name": "conv1",
        "layer": {"type": "convo", "nFilters": 2, "width": 3, "act": "relu"},
        "srcLayers": "data",
    },
    {"name": "pool1", "layer": {"type": "pool", "width": 2}, "srcLayers": ["conv1"]},
    {"name": "out", "layer": {"type": "output", "n": 2}, "srcLayers": ["pool1"]},
]

SMALL_DNN: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "std": "STD"}},
    {"name": "fc1", "layer": {"type": "fc", "n": 4}, "srcLayers": "data"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "fc1"},
]


def build(run: Run, layers: Sequence[Mapping[str, Any]], model: str = "net") -> None:
    """Make a model layer by layer."""
    run("deepLearn.buildModel", modelTable={"name": model, "replace": True}, type="CNN")
    for layer in layers:
        run("deepLearn.addLayer", modelTable=model, **layer)


def put(ctx: Context, name: str, columns: Mapping[str, Any]) -> None:
    """Make a data table."""
    batch = pa.RecordBatch.from_pydict(dict(columns))
    with ctx.tables.stage(batch.schema) as staged:
        staged.write(batch)
        ctx.tables.publish((staged, Output(Name(name), replace=True)))


def rows_of(ctx: Context, name: str) -> list[dict[str, Any]]:
    """Return the rows of a data table."""
    info = ctx.tables.find(Name(name), "data")
    batches = list(ctx.tables.scan(info))
    return pa.Table.from_batches(batches, ctx.tables.schema(info)).to_pylist()


def picture(values: Any) -> bytes:
    """Return an array of uint8 as a PNG: (height, width) or (height, width, 3)."""
    out = io.BytesIO()
    Image.fromarray(np.asarray(values, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def state(stores: MemoryStores) -> list[tuple[Any, ...]]:
    """Return everything that is published and how it stands, to compare before and after."""
    found = [
        (t.info.caslib, t.info.name, t.info.id, t.info.version, t.info.rows, t.session_id or "")
        for t in stores.tables
    ]
    return sorted(found)


@contextmanager
def nothing_changes(stores: MemoryStores) -> Iterator[None]:
    """Check that what happens inside leaves the store as it was, and nothing staged."""
    before = state(stores)
    yield
    assert state(stores) == before
    assert stores.staged == set()
