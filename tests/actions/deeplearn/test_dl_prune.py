"""A pruned model scores as the full one with zeros in place of what went."""

from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TableExists, TableNotFound
from actions.memory import MemoryStores
from actions.ports import Name, Output
from engine.errors import GraphError, WeightsError
from engine.weights import Chunk
from tests.actions.house import Run, build, nothing_changes, picture, put, rows_of

LAYERS: list[dict[str, Any]] = [
    {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 6, "height": 6}},
    {
        "name": "c1",
        "layer": {"type": "convo", "nFilters": 5, "width": 3, "act": "identity", "noBias": True},
        "srcLayers": "data",
    },
    {"name": "b1", "layer": {"type": "batchnorm", "act": "relu"}, "srcLayers": "c1"},
    {"name": "p1", "layer": {"type": "pool", "width": 2}, "srcLayers": "b1"},
    {"name": "f1", "layer": {"type": "fc", "n": 4}, "srcLayers": "p1"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "f1"},
]


@pytest.fixture(autouse=True)
def trained(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(2)
    shades = draw.integers(0, 256, (12, 6, 6))
    rows = {"_image_": [picture(each) for each in shades], "_label_": ["cat", "dog", "ox"] * 4}
    put(ctx, "pets", rows)
    build(run, LAYERS)
    optimizer = {"miniBatchSize": 4, "maxEpochs": 2}
    run("dlTrain", table="pets", modelTable="net", modelWeights="w", seed=3, optimizer=optimizer)


def prune(run: Run, **more: Any) -> Any:
    raw: dict[str, Any] = {
        "modelTable": "net",
        "initWeights": "w",
        "layer": "c1",
        "nFilters": 2,
        "casOut": "small",
        "modelWeights": "small_w",
    }
    return run("deepLearn.dlPrune", **{**raw, **more})


def tensors(ctx: Context, weights: str) -> dict[tuple[int, str], Any]:
    info, header = ctx.weights.load(Name(weights))
    flat = np.concatenate([chunk.values for chunk in ctx.weights.chunks(info)])
    return {
        (s.layer_id, s.name): flat[s.first_row : s.first_row + s.size].reshape(s.shape).copy()
        for s in header.specs
    }


def probabilities(run: Run, ctx: Context, model: str, weights: str) -> Any:
    out = {"name": "scored", "replace": True}
    run(
        "dlScore", table="pets", modelTable=model, initWeights=weights, casOut=out, encodeName=False
    )
    return np.array([[row[f"_DL_P{n}_"] for n in range(3)] for row in rows_of(ctx, "scored")])


def test_a_pruned_model_scores_as_the_masked_one(run: Run, ctx: Context) -> None:
    answer = prune(run)

    gone = answer.values["removed"]
    masked = tensors(ctx, "w")
    sizes = np.abs(masked[1, "weight"]).sum(axis=(1, 2, 3))
    assert sorted(gone) == sorted(np.argsort(sizes)[:2].tolist())
    masked[1, "weight"][gone] = 0
    masked[2, "affine"][gone] = 0
    _info, header = ctx.weights.load(Name("w"))
    chunks = (Chunk(s, 0, masked[s.layer_id, s.name].reshape(-1)) for s in header.specs)
    with ctx.weights.stage(header, chunks) as staged:
        ctx.tables.publish((staged, Output(Name("masked"))))
    np.testing.assert_allclose(
        probabilities(run, ctx, "small", "small_w"),
        probabilities(run, ctx, "net", "masked"),
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_answer_tells_which_layers_lost_what(run: Run) -> None:
    answer = prune(run)

    rows = [tuple(row.values()) for row in answer.tables["PruneInfo"].records()]
    assert rows == [
        (1, "c1", "convo", "5 x 6 x 6", "3 x 6 x 6"),
        (2, "b1", "batchnorm", "5 x 6 x 6", "3 x 6 x 6"),
        (3, "p1", "pool", "5 x 3 x 3", "3 x 3 x 3"),
    ]
    made = [(row["Name"], row["Rows"]) for row in answer.tables["OutputCasTables"].records()]
    # 3 filters of 9, 2 x 3 of batchnorm twice, 27 x 4 + 4, 4 x 3 + 3
    assert made[1] == ("small_w", 27 + 6 + 112 + 15 + 6)
    info = {r["Descr"]: r["Value"] for r in answer.tables["ModelInfo"].records()}
    assert info["Total Number of Model Parameters"] == str(27 + 6 + 112 + 15)


def test_a_pruned_model_trains_on_from_its_weights(run: Run) -> None:
    prune(run, layer="f1", nFilters=None, fraction=0.5)

    answer = run(
        "dlTrain",
        table="pets",
        modelTable="small",
        modelWeights="tuned",
        initWeights="small_w",
        optimizer={"miniBatchSize": 4},
    )

    assert answer.values["reason"] == "reached the maximum number of epochs"


def test_a_pruned_model_is_pruned_again(run: Run) -> None:
    prune(run)

    answer = prune(
        run,
        modelTable="small",
        initWeights="small_w",
        layer="F1",
        nFilters=1,
        casOut="smaller",
        modelWeights="smaller_w",
    )

    assert len(answer.values["removed"]) == 1


def test_model_and_weights_may_be_replaced_in_their_places(run: Run, ctx: Context) -> None:
    prune(
        run,
        casOut={"name": "net", "replace": True},
        modelWeights={"name": "w", "replace": True},
    )

    assert probabilities(run, ctx, "net", "w").shape == (12, 3)


def test_weights_that_know_no_data_are_pruned_where_the_model_knows_its_shapes(
    run: Run, ctx: Context
) -> None:
    layers = [*LAYERS[:-1], {**LAYERS[-1], "layer": {"type": "output", "n": 3}}]
    build(run, layers, "whole")
    info, header = ctx.weights.load(Name("w"))
    bare = type(header)(header.specs)
    with ctx.weights.stage(bare, ctx.weights.chunks(info)) as staged:
        ctx.tables.publish((staged, Output(Name("bare"))))

    answer = prune(run, modelTable="whole", initWeights="bare")

    assert answer.tables["OutputCasTables"].records()[1]["Rows"] == 166


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"fraction": 0.5},
        InvalidParameters,
        "the parameters: 'fraction' or 'nFilters' got both, expected one of them",
    ),
    (
        {"nFilters": None},
        InvalidParameters,
        "the parameters: 'fraction' or 'nFilters' got neither, expected one of them",
    ),
    (
        {"nFilters": 5},
        InvalidParameters,
        "parameter 'nFilters' got 5, 5 of the 5 of layer 'c1', expected 1 to 4",
    ),
    (
        {"nFilters": None, "fraction": 0.1},
        InvalidParameters,
        "parameter 'fraction' got 0.1, 0 of the 5 of layer 'c1', expected 1 to 4",
    ),
    (
        {"nFilters": None, "fraction": 1},
        InvalidParameters,
        "parameter 'fraction' got 1, expected less than 1",
    ),
    (
        {"casOut": "same", "modelWeights": "Same"},
        InvalidParameters,
        "parameters 'casOut' and 'modelWeights' got one name, 'same', expected two",
    ),
    (
        {"casOut": "net"},
        TableExists,
        "the table 'net' exists in caslib 'CASUSER'; set replace to overwrite it",
    ),
    (
        {"modelWeights": "w"},
        TableExists,
        "the table 'w' exists in caslib 'CASUSER'; set replace to overwrite it",
    ),
    (
        {"layer": "b1"},
        GraphError,
        (
            "layer 'b1' (batchnorm) has no filters or neurons of its own to prune, expected a "
            "layer of type convo, groupconvo, transconvo, fc"
        ),
    ),
    (
        {"layer": "c2"},
        GraphError,
        "the layer 'c2' does not exist in model 'net'",
    ),
    (
        {"modelTable": "nets"},
        TableNotFound,
        "no table is named 'nets' in caslib 'CASUSER'; did you mean 'net' or 'pets'?",
    ),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), REFUSED)
def test_what_cannot_be_pruned_is_refused_and_changes_nothing(
    run: Run, stores: MemoryStores, wrong: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(kind) as caught:
        prune(run, **wrong)

    assert str(caught.value) == message


def test_weights_of_a_model_that_was_changed_are_refused(run: Run, stores: MemoryStores) -> None:
    pool = {"type": "pool", "width": 2, "pool": "MEAN"}
    run("addLayer", modelTable="net", name="p1", layer=pool, srcLayers="b1", replace=True)

    with nothing_changes(stores), pytest.raises(WeightsError, match="layer 'p1' has pool 'MEAN'"):
        prune(run)


def test_a_name_that_is_taken_at_the_end_leaves_nothing(
    run: Run, stores: MemoryStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.deeplearn.pruning.refuse_taken", lambda *_: None)

    with nothing_changes(stores), pytest.raises(TableExists):
        prune(run, casOut="net")
