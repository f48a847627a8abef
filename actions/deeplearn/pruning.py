"""The work of dlPrune, in order: look, choose, cut, store."""

from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from actions.answers import output_tables, result_table
from actions.builtin.about import versions
from actions.context import Context
from actions.deeplearn.outputs import refuse_taken, source_of
from actions.deeplearn.schemas import check_declared, check_layout, declared, known_graph
from actions.deeplearn.summary import model_info
from actions.errors import InvalidParameters
from actions.ports import StoredModel, TableInfo, WeightsHeader
from actions.results import ActionResult, Json, ResultTable
from actions.spelling import to_wire
from engine.graph.infer import infer_shapes
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph, fold
from engine.layers.base import BuildOptions
from engine.prune.plan import Pruned, choose
from engine.weights import CHUNK_VALUES, Chunk, Float32

if TYPE_CHECKING:
    from actions.deeplearn.dl_prune import DlPruneParams


def prune(ctx: Context, p: "DlPruneParams") -> ActionResult:
    """Choose what goes, and store what is left."""
    refuse_taken(ctx, p.cas_out)
    refuse_taken(ctx, p.model_weights)
    if fold(p.cas_out.name) == fold(p.model_weights.name):
        raise InvalidParameters(
            f"parameters 'casOut' and 'modelWeights' got one name, {p.cas_out.name!r}, expected "
            "two",
            parameter="modelWeights",
        )
    stored = ctx.models.load(p.model_table.address)
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    info, header = ctx.weights.load(p.init_weights.address)
    check_layout(info, header.specs, graph, options)
    check_declared(info, header, stored.graph)

    def read(spec: SegmentSpec) -> Float32:
        return _tensor(ctx, info, spec)

    found = choose(graph, options, p.layer, _count(p), p.norm, read)
    small = changed(found.shrink(stored.graph), name=fold(p.cas_out.name))
    bound = found.shrink(graph)
    facts: dict[str, Json] = {
        **header.lineage,
        **_lineage(p, stored, info, found),
        "layers": [*declared(small)],
    }
    kept = WeightsHeader(layout(bound, options), facts, header.schema)
    with ctx.weights.stage(kept, _cut(ctx, info, header, found, kept)) as staged:
        model = ctx.models.create(p.cas_out.output, small)
        weights = ctx.tables.publish((staged, p.model_weights.output))[0]
    return ActionResult(
        tables={
            "PruneInfo": _table(graph, bound, options, found),
            "ModelInfo": model_info(bound, options),
            "OutputCasTables": output_tables(model, weights),
        },
        values={"removed": list(found.removed)},
    )


def _count(p: "DlPruneParams") -> Callable[[int], int]:
    def count(most: int) -> int:
        gone = p.n_filters if p.fraction is None else int(p.fraction * most)
        if gone is None or not 0 < gone < most:
            option = "nFilters" if p.fraction is None else "fraction"
            raise InvalidParameters(
                f"parameter {option!r} got {p.n_filters if p.fraction is None else p.fraction}, "
                f"{gone} of the {most} of layer {p.layer!r}, expected 1 to {most - 1}",
                parameter=option,
            )
        return gone

    return count


def _lineage(
    p: "DlPruneParams", stored: StoredModel, info: TableInfo, found: Pruned
) -> dict[str, Json]:
    return {
        "pruned": {
            "model": source_of(stored.info),
            "weights": source_of(info),
            "parameters": to_wire(p),
            "removed": list(found.removed),
            "versions": {**versions()},
        }
    }


def _tensor(ctx: Context, info: TableInfo, spec: SegmentSpec) -> Float32:
    """Return one tensor of a weight table; only its rows are read."""
    chunks = ctx.weights.chunks(info, first_row=spec.first_row, rows=spec.size)
    return np.concatenate([chunk.values for chunk in chunks]).reshape(spec.shape)


def _cut(
    ctx: Context, info: TableInfo, header: WeightsHeader, found: Pruned, kept: WeightsHeader
) -> Iterator[Chunk]:
    """Yield what stays of a weight table; one tensor at a time is in memory."""
    chunks = groupby(ctx.weights.chunks(info), key=lambda c: (c.spec.layer_id, c.spec.name))
    for old, spec, (_, parts) in zip(header.specs, kept.specs, chunks, strict=True):
        values = np.concatenate([part.values for part in parts]).reshape(old.shape)
        flat = found.cut(old, values).reshape(-1)
        for offset in range(0, spec.size, CHUNK_VALUES):
            yield Chunk(spec, offset, flat[offset : offset + CHUNK_VALUES])


def _table(graph: Graph, small: Graph, options: BuildOptions, found: Pruned) -> ResultTable:
    """Return ``PruneInfo``: layers whose output lost maps or values, before and after."""
    before, after = infer_shapes(graph, options), infer_shapes(small, options)
    rows = [
        (node.id, node.name, node.layer.type, _shown(before[node.name]), _shown(after[node.name]))
        for node in graph.nodes
        if node.name in found.kept
    ]
    return result_table(
        (
            ("LayerID", "int64"),
            ("Layer", "string"),
            ("Type", "string"),
            ("OutputBefore", "string"),
            ("OutputAfter", "string"),
        ),
        rows,
        "Pruned Layers",
    )


def _shown(shape: tuple[int, ...] | None) -> str:
    return " x ".join(map(str, shape or ()))
