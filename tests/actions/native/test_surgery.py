"""Networks made of trained ones: folded, sliding, with another head."""

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from actions.context import Context
from actions.errors import InvalidParameters, TableExists, TableNotFound
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import EngineError, GraphError, ShapeError, WeightsError
from tests.actions.house import Run, build, nothing_changes, picture, put, rows_of

LAYERS: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 6, "height": 6}},
    {
        "name": "c1",
        "layer": {"type": "convo", "nFilters": 5, "width": 3, "padding": 0, "act": "identity"},
        "srcLayers": "data",
    },
    {"name": "b1", "layer": {"type": "batchnorm", "act": "relu"}, "srcLayers": "c1"},
    {"name": "p1", "layer": {"type": "pool", "width": 2, "padding": 0}, "srcLayers": "b1"},
    {
        "name": "f1",
        "layer": {"type": "fc", "n": 4, "act": "identity", "noBias": True},
        "srcLayers": "p1",
    },
    {"name": "b2", "layer": {"type": "batchnorm"}, "srcLayers": "f1"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "b2"},
]
STEP = 2
"""Pixels from one place of the sliding network to the next: those of the pool."""
ROWS = 12


@pytest.fixture(autouse=True)
def trained(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(2)
    shades = draw.integers(0, 256, (ROWS, 6, 6))
    put(ctx, "pets", {"_image_": [picture(s) for s in shades], "_label_": ["cat", "dog", "ox"] * 4})
    build(run, LAYERS)
    optimizer = {"miniBatchSize": 4, "maxEpochs": 1}
    run("dlTrain", table="pets", modelTable="net", modelWeights="w", seed=3, optimizer=optimizer)


def operate(run: Run, action: str, **more: Any) -> Any:
    raw = {"modelTable": "net", "initWeights": "w", "casOut": "new", "modelWeights": "new_w"}
    return run(f"castorch.{action}", **{**raw, **more})


def probabilities(
    run: Run, ctx: Context, table: str, model: str = "new", weights: str = "new_w"
) -> Any:
    out = {"name": "scored", "replace": True}
    run("dlScore", table=table, modelTable=model, initWeights=weights, casOut=out, encodeName=False)
    return np.array([[row[f"_DL_P{n}_"] for n in range(3)] for row in rows_of(ctx, "scored")])


def outputs(run: Run, ctx: Context, table: str, layer: str, *, model: str, weights: str) -> Any:
    """Return what a layer gives, a row per image."""
    run(
        "dlScore",
        table=table,
        modelTable=model,
        initWeights=weights,
        casOut={"name": "scored", "replace": True},
        layerOut={"name": "found", "replace": True},
        layers=layer,
    )
    rows = rows_of(ctx, "found")
    names = [name for name in rows[0] if name.startswith("_LayerAct_")]
    return np.array([[row[name] for name in names] for row in rows])


def test_a_folded_model_scores_as_before_with_fewer_layers(run: Run, ctx: Context) -> None:
    before = probabilities(run, ctx, "pets", "net", "w")

    answer = operate(run, "foldBatchNorm")

    graph = ctx.models.load(Name("new")).graph
    assert [node.name for node in graph.nodes] == ["data", "c1", "p1", "f1", "out"]
    assert answer.values["changed"] == ["c1", "f1"]
    assert [graph.node(name).layer.model_dump()["act"] for name in ("c1", "f1")] == [
        "RECTIFIER",
        "IDENTITY",
    ]
    # float32 through another order of the same products
    np.testing.assert_allclose(probabilities(run, ctx, "pets"), before, rtol=1e-5)


def test_a_folded_model_has_nothing_more_to_fold(run: Run, stores: MemoryStores) -> None:
    operate(run, "foldBatchNorm")

    with (
        nothing_changes(stores),
        pytest.raises(
            GraphError,
            match=r"^model 'new' has no batch normalisation to fold, expected one after a convo, "
            r"groupconvo or fc layer with act IDENTITY that feeds nothing else$",
        ),
    ):
        operate(
            run,
            "foldBatchNorm",
            modelTable="new",
            initWeights="new_w",
            casOut="newer",
            modelWeights="newer_w",
        )


def test_a_model_of_filters_scores_as_before(run: Run, ctx: Context) -> None:
    # F32
    before = probabilities(run, ctx, "pets", "net", "w")

    answer = operate(run, "fcToConv")

    graph = ctx.models.load(Name("new")).graph
    assert answer.values["changed"] == ["f1", "out_scores", "out_mean", "out"]
    assert graph.shapes["f1"] == (4, 1, 1)
    # 2 x 2 pixels of five maps to four neurons, and those to three levels
    assert ctx.weights.load(Name("new_w"))[1].specs[3].shape == (4, 5, 2, 2)
    np.testing.assert_allclose(probabilities(run, ctx, "pets"), before, rtol=1e-5)


def test_a_sliding_model_scores_every_place_of_a_larger_image(run: Run, ctx: Context) -> None:
    # F35, F36: filters do not pad here, so each place is the old model on what it cuts out
    scene = np.random.default_rng(5).integers(0, 256, (10, 8))
    cuts = sliding_window_view(scene, (6, 6))[::STEP, ::STEP]
    put(ctx, "scene", {"_image_": [picture(scene)], "_label_": ["cat"]})
    pieces = [picture(cut) for row in cuts for cut in row]
    put(ctx, "pieces", {"_image_": pieces, "_label_": ["cat"] * len(pieces)})

    operate(run, "fcToConv", height=10, width=8)

    graph = ctx.models.load(Name("new")).graph
    # (10 - 3 + 1) / 2 and (8 - 3 + 1) / 2 pixels, windows of 2 x 2 over them
    assert graph.shapes["p1"] == (5, 4, 3)
    assert graph.shapes["out_mean"] == (3, 1, 1)
    whole = outputs(run, ctx, "scene", "out_scores", model="new", weights="new_w")
    single = outputs(run, ctx, "pieces", "b2", model="net", weights="w")
    info, header = ctx.weights.load(Name("w"))
    flat = np.concatenate([chunk.values for chunk in ctx.weights.chunks(info)])
    last = {
        s.name: flat[s.first_row :][: s.size].reshape(s.shape)
        for s in header.specs
        if s.layer_id == 6
    }
    expected = single @ last["weight"] + last["bias"]
    np.testing.assert_allclose(whole.reshape(3, 6).T, expected, rtol=1e-4, atol=1e-5)
    # the answer is that of the mean score
    mean = expected.mean(0)
    chances = np.exp(mean) / np.exp(mean).sum()
    np.testing.assert_allclose(probabilities(run, ctx, "scene")[0], chances, rtol=1e-4)


def test_one_side_of_an_image_stands_for_both(run: Run, ctx: Context) -> None:
    operate(run, "fcToConv", width=8)

    assert ctx.models.load(Name("new")).graph.shapes["data"] == (1, 8, 8)


def test_an_image_smaller_than_before_does_not_fit(run: Run, stores: MemoryStores) -> None:
    with (
        nothing_changes(stores),
        pytest.raises(ShapeError, match=r"^layer 'f1' \(convo\) got a window of 2 on 1 pixels"),
    ):
        operate(run, "fcToConv", width=4)


def test_a_model_fed_by_a_variable_for_every_pixel_keeps_its_size(
    run: Run, ctx: Context, stores: MemoryStores
) -> None:
    draw = np.random.default_rng(2)
    names = [f"p{at}" for at in range(36)]
    put(ctx, "flat", {**{name: draw.random(6) for name in names}, "_label_": ["cat", "dog"] * 3})
    optimizer = {"miniBatchSize": 3, "maxEpochs": 1}
    run(
        "dlTrain",
        table="flat",
        modelTable="net",
        modelWeights="flat_w",
        inputs=names,
        optimizer=optimizer,
    )

    with (
        nothing_changes(stores),
        pytest.raises(
            GraphError,
            match=r"^layer 'data' is fed by a variable for every pixel, expected a column of "
            r"images to change their size$",
        ),
    ):
        operate(run, "fcToConv", initWeights="flat_w", width=8)
    operate(run, "fcToConv", initWeights="flat_w")


def test_a_model_without_fully_connected_layers_cannot_slide(run: Run) -> None:
    operate(run, "fcToConv")

    with pytest.raises(
        GraphError,
        match=r"^model 'new' has no fully connected layer behind an image, expected an fc or "
        r"output layer with one source$",
    ):
        operate(
            run,
            "fcToConv",
            modelTable="new",
            initWeights="new_w",
            casOut="newer",
            modelWeights="newer_w",
        )


def test_another_head_starts_from_the_layers_that_stay(run: Run, ctx: Context) -> None:
    layers = [
        {"name": "f2", "layer": {"type": "fc", "n": 7}},
        {"name": "end", "layer": {"type": "output"}},
    ]

    answer = operate(run, "replaceHead", after="p1", layers=layers)

    graph = ctx.models.load(Name("new")).graph
    assert [(node.id, node.name, node.sources) for node in graph.nodes] == [
        (0, "data", ()),
        (1, "c1", ("data",)),
        (2, "b1", ("c1",)),
        (3, "p1", ("b1",)),
        # ids of layers that are gone, 4 to 6, are not given again
        (7, "f2", ("p1",)),
        (8, "end", ("f2",)),
    ]
    assert answer.values["freeze"] == ["c1", "b1"]
    assert {spec.layer_id for spec in ctx.weights.load(Name("new_w"))[1].specs} == {1, 2}


def test_frozen_layers_keep_their_weights_while_the_new_head_learns(run: Run, ctx: Context) -> None:
    freeze = operate(run, "replaceHead", after="p1").values["freeze"]

    trained = run(
        "dlTrain",
        table="pets",
        modelTable="new",
        initWeights="new_w",
        modelWeights="new_trained",
        seed=4,
        optimizer={
            "miniBatchSize": 4,
            "maxEpochs": 1,
            "freezeLayers": freeze,
            "freezeBatchNormStats": True,
        },
    )

    first, last = (values(ctx, name) for name in ("w", "new_trained"))
    for key in ((1, "weight"), (1, "bias"), (2, "affine"), (2, "statistics")):
        np.testing.assert_array_equal(first[key], last[key])
    assert (7, "weight") in last
    assert any("out" in message.text for message in trained.messages)


def values(ctx: Context, weights: str) -> dict[tuple[int, str], Any]:
    info, header = ctx.weights.load(Name(weights))
    flat = np.concatenate([chunk.values for chunk in ctx.weights.chunks(info)])
    return {
        (s.layer_id, s.name): flat[s.first_row : s.first_row + s.size].reshape(s.shape)
        for s in header.specs
    }


def test_weights_of_some_layers_cannot_score(run: Run) -> None:
    operate(run, "replaceHead", after="p1")

    with pytest.raises(EngineError, match=r"weights 'new_w'"):
        run("dlScore", table="pets", modelTable="new", initWeights="new_w")


BAD_HEADS: list[tuple[dict[str, Any], type[EngineError], str]] = [
    (
        {"after": "p2"},
        GraphError,
        r"^the layer 'p2' does not exist in model 'net'$",
    ),
    (
        {"after": "out"},
        GraphError,
        r"^layer 'out' \(output\) ends a network, expected a layer that others can follow$",
    ),
    (
        {"after": "p1", "layers": [{"name": "b1", "layer": {"type": "output"}}]},
        GraphError,
        r"^layer 'b1' exists in model 'net' already, expected another name or replace$",
    ),
    (
        {"after": "p1", "layers": [{"name": "o", "layer": {"type": "output"}, "srcLayers": "f1"}]},
        GraphError,
        r"^the layer 'f1' does not exist in model 'net'",
    ),
    (
        {"after": "p1", "casOut": "same", "modelWeights": "Same"},
        InvalidParameters,
        r"^parameters 'casOut' and 'modelWeights' got one name, 'same', expected two$",
    ),
    ({"after": "p1", "casOut": "net"}, TableExists, r"^the table '(net|NET)' exists in caslib"),
    ({"after": "p1", "initWeights": "v"}, TableNotFound, r"^no table is named 'v' in"),
]


@pytest.mark.parametrize(("given", "error", "message"), BAD_HEADS)
def test_a_head_that_does_not_fit_makes_nothing(
    run: Run, stores: MemoryStores, given: dict[str, Any], error: type[EngineError], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        operate(run, "replaceHead", **given)


@pytest.mark.parametrize("action", ["foldBatchNorm", "fcToConv"])
def test_weights_of_another_model_are_refused(run: Run, action: str) -> None:
    build(run, [*LAYERS[:4], {**LAYERS[-1], "srcLayers": "p1"}], "other")

    with pytest.raises(WeightsError, match=r"^weights '[wW]' belong to another model than 'other'"):
        operate(run, action, modelTable="other")
