"""Pruned networks against masked ones: zeros where filters, biases and their scales were."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.errors import GraphError
from engine.graph.infer import bind
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph
from engine.layers.base import LAYERS, BuildOptions, Target
from engine.prune.plan import Norm, Pruned, choose
from engine.weights import Chunk, load_weights

OPTIONS = BuildOptions()
Arrays = dict[tuple[int, str], Any]
IMAGE: dict[str, Any] = {"type": "input", "n_channels": 3, "width": 8, "height": 8}
OUT: dict[str, Any] = {"type": "output"}


def network(*layers: tuple[str, Mapping[str, Any], Sequence[str]], levels: int = 3) -> Graph:
    """Return a graph bound to a nominal target."""
    graph = Graph("net")
    for name, given, sources in layers:
        options = dict(given)
        shared = options.pop("shared", None)
        layer = LAYERS[options["type"]].model_validate(options)
        graph = graph.add(name, layer, sources, shared=shared)
    tasks = [node.name for node in graph.nodes if node.layer.is_task]
    return bind(graph, {}, dict.fromkeys(tasks, Target("nominal", levels)))


def drawn(graph: Graph, seed: int = 1) -> Arrays:
    """Return random numbers for every tensor; standard deviations are positive."""
    draw = np.random.default_rng(seed)
    found: Arrays = {}
    for spec in layout(graph, OPTIONS):
        values = draw.normal(size=spec.shape).astype(np.float32)
        found[spec.layer_id, spec.name] = np.abs(values) if spec.part == "statistics" else values
    return found


def loaded(graph: Graph, arrays: Arrays) -> CompiledModel:
    model = compile_graph(graph, OPTIONS, generator=torch.Generator().manual_seed(1))
    load_weights(
        model,
        [Chunk(s, 0, arrays[s.layer_id, s.name].reshape(-1)) for s in layout(graph, OPTIONS)],
    )
    model.eval()
    return model


def answers(graph: Graph, arrays: Arrays) -> Any:
    """Return what a network gives for four examples, all tasks side by side."""
    shapes = {n.name: n.layer.shape for n in graph.nodes if n.layer.type == "input"}  # type: ignore[attr-defined]
    draw = torch.Generator().manual_seed(5)
    rows = {name: torch.randn(4, *shape, generator=draw) for name, shape in shapes.items()}
    with torch.inference_mode():
        raw = loaded(graph, arrays)(rows)
    return torch.cat(list(raw.values()), 1).double().numpy()


def prune(
    graph: Graph, arrays: Arrays, layer: str, count: int, norm: Norm = "L1"
) -> tuple[Pruned, Graph, Arrays]:
    found = choose(
        graph, OPTIONS, layer, lambda _: count, norm, lambda s: arrays[s.layer_id, s.name]
    )
    small = found.shrink(graph)
    specs = layout(graph, OPTIONS)
    cut = {(s.layer_id, s.name): found.cut(s, arrays[s.layer_id, s.name]) for s in specs}
    for spec in layout(small, OPTIONS):
        assert cut[spec.layer_id, spec.name].shape == spec.shape
    return found, small, cut


def masked(graph: Graph, arrays: Arrays, gone: Mapping[str, Sequence[int]]) -> Arrays:
    """Return numbers with zeros for filters and neurons, their biases, and their gamma and beta."""
    found = {key: value.copy() for key, value in arrays.items()}
    ids = {graph.node(name).id: list(places) for name, places in gone.items()}
    kinds = {node.id: node.layer.type for node in graph.nodes}
    for (layer_id, name), value in found.items():
        if layer_id not in ids or name == "statistics":
            continue
        axis = 1 if name == "weight" and kinds[layer_id] in ("fc", "transconvo") else 0
        np.moveaxis(value, axis, 0)[ids[layer_id]] = 0
    return found


CONVO: dict[str, Any] = {"type": "convo", "n_filters": 6, "width": 3, "act": "RECTIFIER"}
PLAIN: dict[str, Any] = {**CONVO, "act": "IDENTITY", "include_bias": False}
BN: dict[str, Any] = {"type": "batchnorm", "act": "RECTIFIER"}

CHAIN = network(
    ("data", IMAGE, []),
    ("c1", PLAIN, ["data"]),
    ("b1", BN, ["c1"]),
    ("p1", {"type": "pool", "width": 2}, ["b1"]),
    ("c2", CONVO, ["p1"]),
    ("f1", {"type": "fc", "n": 7}, ["c2"]),
    ("out", OUT, ["f1"]),
)
RESIDUAL = network(
    ("data", IMAGE, []),
    ("c1", CONVO, ["data"]),
    ("c2", PLAIN, ["c1"]),
    ("b2", BN, ["c2"]),
    ("c3", CONVO, ["b2"]),
    ("sum", {"type": "residual", "act": "RECTIFIER"}, ["c1", "c3"]),
    ("more", {"type": "residual"}, ["sum", "c1"]),
    ("p1", {"type": "pool", "width": 0, "height": 0, "pool": "MEAN"}, ["more"]),
    ("out", OUT, ["p1"]),
)
BRANCHES = network(
    ("data", IMAGE, []),
    ("c1", CONVO, ["data"]),
    ("c2", {**CONVO, "n_filters": 4, "width": 1}, ["data"]),
    ("both", {"type": "concat"}, ["c1", "c2"]),
    ("b", BN, ["both"]),
    ("c3", CONVO, ["b"]),
    ("f1", {"type": "fc", "n": 5, "act": "TANH"}, ["c3", "both"]),
    ("out", OUT, ["f1"]),
)
SQUEEZE = network(
    ("data", IMAGE, []),
    ("c1", CONVO, ["data"]),
    ("p1", {"type": "pool", "width": 0, "height": 0, "pool": "MEAN"}, ["c1"]),
    ("f1", {"type": "fc", "n": 3}, ["p1"]),
    ("f2", {"type": "fc", "n": 6, "act": "LOGISTIC"}, ["f1"]),
    ("r", {"type": "reshape", "width": 1, "height": 1, "depth": 6}, ["f2"]),
    ("s", {"type": "scale"}, ["c1", "r"]),
    ("out", OUT, ["s"]),
)
DEPTHWISE = network(
    ("data", IMAGE, []),
    ("c1", CONVO, ["data"]),
    ("d", {**CONVO, "type": "groupconvo", "n_groups": 6}, ["c1"]),
    ("b", BN, ["d"]),
    ("t", {"type": "transconvo", "n_filters": 4, "width": 2, "stride": 2}, ["b"]),
    ("c2", {**CONVO, "type": "groupconvo"}, ["t"]),
    ("out", OUT, ["c2"]),
)
SHARED = network(
    ("left", IMAGE, []),
    ("right", IMAGE, []),
    ("c1", CONVO, ["left"]),
    ("c2", {**CONVO, "shared": "c1"}, ["right"]),
    ("f1", {"type": "fc", "n": 4}, ["c1"]),
    ("f2", {"type": "fc", "n": 4, "shared": "f1"}, ["c2"]),
    ("both", {"type": "concat"}, ["f1", "f2"]),
    ("out", OUT, ["both"]),
)
CASES: list[tuple[str, Graph, str, list[str]]] = [
    ("through batchnorm and pooling", CHAIN, "c1", ["b1"]),
    ("into a fully connected layer", CHAIN, "c2", []),
    ("of neurons", CHAIN, "f1", []),
    ("of sums, with all that is added", RESIDUAL, "c3", ["c1", "more"]),
    ("between sums", RESIDUAL, "c2", ["b2"]),
    ("of one branch", BRANCHES, "c2", []),
    ("of a transposed convolution", DEPTHWISE, "t", []),
    ("of one group", DEPTHWISE, "c2", []),
    ("with depthwise filters", DEPTHWISE, "c1", ["d", "b"]),
    ("of depthwise filters", DEPTHWISE, "d", ["c1", "b"]),
    ("of shared filters", SHARED, "c1", []),
    ("of shared neurons", SHARED, "f1", []),
]


@pytest.mark.parametrize(("case", "graph", "layer", "along"), CASES, ids=[c[0] for c in CASES])
def test_a_pruned_network_gives_what_the_masked_one_gives(
    case: str, graph: Graph, layer: str, along: list[str]
) -> None:
    del case
    arrays = drawn(graph)

    found, small, cut = prune(graph, arrays, layer, 2)

    assert len(found.removed) == 2
    gone = dict.fromkeys([layer, *along], found.removed)
    expected = answers(graph, masked(graph, arrays, gone))
    np.testing.assert_allclose(answers(small, cut), expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(expected, answers(graph, arrays), atol=1e-2)


def test_of_a_joined_source_only_its_own_maps_go() -> None:
    arrays = drawn(BRANCHES)

    found, small, cut = prune(BRANCHES, arrays, "c1", 3)

    hidden = masked(BRANCHES, arrays, {"c1": found.removed, "b": found.removed})
    np.testing.assert_allclose(answers(small, cut), answers(BRANCHES, hidden), rtol=1e-4, atol=1e-4)
    assert small.shapes["both"] == (7, 8, 8)
    assert len(found.kept["both"]) == 7


def test_factors_go_with_the_maps_they_scale() -> None:
    arrays = drawn(SQUEEZE)

    found, small, cut = prune(SQUEEZE, arrays, "c1", 2)

    expected = answers(SQUEEZE, masked(SQUEEZE, arrays, {"c1": found.removed}))
    np.testing.assert_allclose(answers(small, cut), expected, rtol=1e-4, atol=1e-4)
    assert (small.shapes["f2"], small.shapes["r"]) == ((4,), (4, 1, 1))


def test_the_smallest_filters_go_and_the_first_of_equals() -> None:
    graph = network(
        ("data", IMAGE, []), ("c1", {**PLAIN, "width": 1}, ["data"]), ("out", OUT, ["c1"])
    )
    arrays = drawn(graph)
    # sums of sizes 3, 3, 5, 2, 9, 3; roots of sums of squares 3, 1.73, 3, 2, 5.2, 3
    rows = [[3, 0, 0], [1, 1, -1], [1, 2, -2], [0, -2, 0], [3, 3, 3], [0, 0, 3]]
    arrays[1, "weight"] = np.array(rows, dtype=np.float32).reshape(6, 3, 1, 1)

    assert prune(graph, arrays, "c1", 2)[0].removed == (0, 3)
    assert prune(graph, arrays, "c1", 3, "L2")[0].removed == (0, 1, 3)


def test_filters_whose_maps_are_added_are_ranked_by_the_sum_of_their_norms() -> None:
    graph = network(
        ("data", IMAGE, []),
        ("c1", {**PLAIN, "n_filters": 3, "width": 1}, ["data"]),
        ("c2", {**PLAIN, "n_filters": 3, "width": 1}, ["data"]),
        ("sum", {"type": "residual"}, ["c1", "c2"]),
        ("out", OUT, ["sum"]),
    )
    arrays = drawn(graph)
    for layer, norms in ((1, [1, 2, 3]), (2, [9, 4, 2])):
        weights = np.zeros((3, 3, 1, 1), dtype=np.float32)
        weights[:, 0, 0, 0] = norms
        arrays[layer, "weight"] = weights

    assert prune(graph, arrays, "c1", 1)[0].removed == (2,)  # 10, 6, 5


def test_ids_names_and_what_is_not_touched_stay() -> None:
    _, small, _ = prune(CHAIN, drawn(CHAIN), "c2", 1)

    before, after = ([(n.id, n.name, n.sources) for n in g.nodes] for g in (CHAIN, small))
    assert after == before
    assert small.node("c1") == CHAIN.node("c1")
    assert small.shapes["c2"] == (5, 4, 4)


HELD: list[tuple[Graph, str, str]] = [
    (
        network(
            ("data", IMAGE, []),
            ("c1", {**CONVO, "n_filters": 3}, ["data"]),
            ("sum", {"type": "residual"}, ["data", "c1"]),
            ("out", OUT, ["sum"]),
        ),
        "c1",
        (
            "layer 'c1' (convo) cannot be pruned: its maps or values must stay as many for "
            "layer 'data' (input)"
        ),
    ),
    (
        network(
            ("data", IMAGE, []),
            ("c1", CONVO, ["data"]),
            ("g", {**CONVO, "type": "groupconvo", "n_groups": 3}, ["c1"]),
            ("out", OUT, ["g"]),
        ),
        "c1",
        (
            "layer 'c1' (convo) cannot be pruned: its maps or values must stay as many for "
            "layer 'g' (groupconvo)"
        ),
    ),
    (
        network(
            ("data", IMAGE, []),
            ("c1", CONVO, ["data"]),
            ("r", {"type": "reshape", "width": 8, "height": 6, "depth": 8}, ["c1"]),
            ("out", OUT, ["r"]),
        ),
        "c1",
        (
            "layer 'c1' (convo) cannot be pruned: its maps or values must stay as many for "
            "layer 'r' (reshape)"
        ),
    ),
    (
        network(
            ("data", IMAGE, []),
            ("f1", {"type": "fc", "n": 3}, ["data"]),
            ("out", {"type": "output", "full_connect": False}, ["f1"]),
        ),
        "f1",
        (
            "layer 'f1' (fc) cannot be pruned: its maps or values must stay as many for "
            "layer 'out' (output)"
        ),
    ),
    (
        CHAIN,
        "p1",
        (
            "layer 'p1' (pool) has no filters or neurons of its own to prune, expected a layer of "
            "type convo, groupconvo, transconvo, fc"
        ),
    ),
    (CHAIN, "c9", "the layer 'c9' does not exist in model 'net'"),
]


@pytest.mark.parametrize(("graph", "layer", "message"), HELD)
def test_layers_that_cannot_be_pruned_are_refused(graph: Graph, layer: str, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        prune(graph, drawn(graph), layer, 1)

    assert str(caught.value) == message


def test_steps_of_sequences_lose_values() -> None:
    steps = {"type": "fc", "n": 4, "per_step": True}
    graph = network(
        ("data", {**IMAGE, "n_channels": 1}, []),
        ("r", {"type": "fc", "n": 5, "per_step": True}, ["data"]),
        ("f", steps, ["r"]),
        ("both", {"type": "concat"}, ["r", "f"]),
        ("out", OUT, ["both"]),
    )
    arrays = drawn(graph)

    found, small, cut = prune(graph, arrays, "r", 2)

    expected = answers(graph, masked(graph, arrays, {"r": found.removed}))
    np.testing.assert_allclose(answers(small, cut), expected, rtol=1e-4, atol=1e-4)
    assert small.shapes["both"] == (8, 7)


def test_a_tensor_of_another_layer_is_left_as_it_is() -> None:
    found, _, _ = prune(CHAIN, drawn(CHAIN), "f1", 1)
    spec: SegmentSpec = layout(CHAIN, OPTIONS)[0]
    values = np.ones(spec.shape, dtype=np.float32)

    assert found.cut(spec, values) is values
