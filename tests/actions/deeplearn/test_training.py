"""Ways of training that need more than one look at the data or at what was stored."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.memory import MemoryStores
from actions.ports import Name, Output
from engine.errors import WeightsError
from tests.actions.house import SMALL_DNN, Run, build, nothing_changes, put


@pytest.fixture(autouse=True)
def numbers(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(4)
    x = draw.normal(size=40)
    put(ctx, "rows", {"x": x, "c": np.where(x > 0, "p", "n").tolist(), "y": 2 * x})
    build(run, SMALL_DNN)


def train(run: Run, **more: Any) -> Any:
    raw: dict[str, Any] = {
        "table": "rows",
        "modelTable": "net",
        "modelWeights": {"name": "w", "replace": True},
        "inputs": ["x", "c"],
        "target": "y",
        "seed": 3,
        "optimizer": {"miniBatchSize": 8, "maxEpochs": 3, "algorithm": {"learningRate": 0.05}},
    }
    return run("deepLearn.dlTrain", **{**raw, **more})


def losses(answer: Any) -> list[Any]:
    return [row["Loss"] for row in answer.tables["OptIterHistory"].records()]


def test_a_table_too_large_for_memory_is_read_again_and_trains_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = losses(train(run, validTable="rows"))

    monkeypatch.setattr("actions.deeplearn.training.RESIDENT_BYTES", 0)
    streaming = losses(train(run, validTable="rows"))

    assert streaming == pytest.approx(resident)


def test_a_new_order_of_rows_is_drawn_when_it_is_asked_for(run: Run) -> None:
    stored = losses(train(run))

    assert losses(train(run, recordSeed=0)) == stored
    assert losses(train(run, recordSeed=9)) != stored
    assert losses(train(run, recordSeed=9)) == losses(train(run, recordSeed=9))


def test_the_seed_in_the_answer_gives_the_same_run_again(run: Run) -> None:
    first = train(run, seed=0)

    seed = first.values["seed"]
    assert float(seed) == seed
    assert losses(train(run, seed=seed)) == losses(first)


def test_a_schema_of_another_version_is_refused(
    run: Run, ctx: Context, stores: MemoryStores
) -> None:
    train(run)
    info, header = ctx.weights.load(Name("w"))
    old = replace(header, schema={**(header.schema or {}), "version": 99})
    with ctx.weights.stage(old, ctx.weights.chunks(info)) as staged:
        ctx.tables.publish((staged, Output(Name("old"))))

    message = r"^weights 'old' hold a data schema this version cannot read; train again$"
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        run("deepLearn.dlScore", table="rows", modelTable="net", initWeights="old")


def test_weights_without_a_schema_describe_no_data(run: Run, ctx: Context) -> None:
    train(run)
    info, header = ctx.weights.load(Name("w"))
    bare = replace(header, schema=None, lineage={})
    with ctx.weights.stage(bare, ctx.weights.chunks(info)) as staged:
        ctx.tables.publish((staged, Output(Name("bare"))))

    answer = run("deepLearn.modelInfo", modelTable="net", initWeights="bare")

    assert not any("Parameters" in str(row["Descr"]) for row in _info(answer))


def _info(answer: Any) -> list[dict[str, Any]]:
    return list(answer.tables["ModelInfo"].records())


def test_weights_of_a_model_with_other_input_layers_are_refused(
    run: Run, stores: MemoryStores
) -> None:
    train(run)
    layers = [{**SMALL_DNN[0], "name": "other"}, {**SMALL_DNN[1], "srcLayers": "other"}]
    build(run, [*layers, SMALL_DNN[2]], "renamed")

    message = (
        r"^weights 'w' belong to another model than 'renamed': got data for 'data', expected an "
        r"input layer: 'other'$"
    )
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        run("deepLearn.modelInfo", modelTable="renamed", initWeights="w")
    message = (
        r"^weights 'w' belong to another model than 'renamed': layer 'other' was added since "
        r"they were trained$"
    )
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        run("deepLearn.dlScore", table="rows", modelTable="renamed", initWeights="w")


def test_weights_of_a_model_that_lost_a_layer_are_refused(run: Run, stores: MemoryStores) -> None:
    train(run)
    run("deepLearn.removeLayer", modelTable="net", name="out")
    message = (
        r"^weights 'w' belong to another model than 'net': layer 'out' was removed since they "
        r"were trained$"
    )
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        run("deepLearn.dlScore", table="rows", modelTable="net", initWeights="w")
