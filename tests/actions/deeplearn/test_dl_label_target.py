"""Other names for the levels of a target; what scores must not change is compared with before."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TableExists, WrongKind
from actions.memory import MemoryStores
from actions.ports import Name, Output
from engine.errors import WeightsError
from tests.actions.house import SMALL_CNN, SMALL_DNN, Run, build, nothing_changes, put, rows_of


@pytest.fixture(autouse=True)
def trained(ctx: Context, run: Run) -> None:
    x = np.linspace(-1, 1, 30)
    put(ctx, "rows", {"x": x, "kind": np.where(x > 0.2, 2.0, np.where(x < -0.4, 5.0, 3.0))})
    put(ctx, "labels", {"label_id": [1, 0, 2], "label": ["ox", "cat", "big dog"]})
    build(run, SMALL_DNN)
    run(
        "deepLearn.dlTrain",
        table="rows",
        modelTable="net",
        modelWeights="w",
        inputs=["x"],
        target="kind",
        nominals=["kind"],
        seed=3,
        optimizer={"miniBatchSize": 8, "maxEpochs": 2},
    )


def label(run: Run, **more: Any) -> Any:
    raw: dict[str, Any] = {
        "modelTable": "net",
        "initWeights": "w",
        "modelWeights": "named",
        "labelTable": "labels",
    }
    return run("deepLearn.dlLabelTarget", **{**raw, **more})


def scored(run: Run, ctx: Context, weights: str, **more: Any) -> list[dict[str, Any]]:
    out = {"name": "scored", "replace": True}
    run("dlScore", table="rows", modelTable="net", initWeights=weights, casOut=out, **more)
    return rows_of(ctx, "scored")


def test_scored_columns_and_levels_have_the_new_names_and_the_old_numbers(
    run: Run, ctx: Context
) -> None:
    answer = label(run)

    before = scored(run, ctx, "w", encodeName=True)
    after = scored(run, ctx, "named", encodeName=True)
    names = {2.0: "cat", 3.0: "ox", 5.0: "big dog"}
    columns = {"P_kindcat": "P_kind2", "P_kindox": "P_kind3", "P_kindbig_dog": "P_kind5"}
    for new, old in columns.items():
        assert [row[new] for row in after] == [row[old] for row in before]
    assert [row["I_kind"] for row in after] == [names[float(row["I_kind"])] for row in before]
    assert answer.tables["OutputCasTables"].records()[0]["Name"] == "named"


def test_a_table_with_the_new_names_is_scored_against_them(run: Run, ctx: Context) -> None:
    label(run)
    rows = rows_of(ctx, "rows")
    names = {2.0: "cat", 3.0: "ox", 5.0: "big dog"}
    put(ctx, "named_rows", {"x": [r["x"] for r in rows], "kind": [names[r["kind"]] for r in rows]})

    old = run("dlScore", table="rows", modelTable="net", initWeights="w")
    new = run("dlScore", table="named_rows", modelTable="net", initWeights="named")

    assert new.tables["ScoreInfo"].records() == old.tables["ScoreInfo"].records()


def test_the_numbers_of_the_weights_stay(run: Run, ctx: Context) -> None:
    label(run)

    tables = [ctx.weights.load(Name(name))[0] for name in ("w", "named")]
    before, after = (
        np.concatenate([chunk.values for chunk in ctx.weights.chunks(each)]) for each in tables
    )
    np.testing.assert_array_equal(after, before)


def test_levels_without_a_row_keep_their_names(run: Run, ctx: Context) -> None:
    put(ctx, "labels", {"number": [2.0], "text": ["dog"]})

    label(run)

    names = {row["I_kind"] for row in scored(run, ctx, "named", encodeName=True)}
    assert names <= {"2", "3", "dog"}
    header = ctx.weights.load(Name("named"))[1]
    assert header.schema is not None
    targets: Any = header.schema["targets"]
    assert targets[0]["levels"] == ["2", "3", "dog"]


def test_weights_may_be_replaced_by_themselves_with_new_names(run: Run, ctx: Context) -> None:
    label(run, modelWeights={"name": "w", "replace": True})

    assert "P_kindcat" in scored(run, ctx, "w", encodeName=True)[0]


def test_the_usual_columns_are_taken_out_of_many(run: Run, ctx: Context) -> None:
    columns = {
        "size": [1.0, 2.0],
        "Label_ID": [0, 1],
        "note": ["x", "y"],
        "LABEL": ["cat", "ox"],
    }
    put(ctx, "labels", columns)

    label(run, layer="OUT")

    assert "P_kindox" in scored(run, ctx, "named", encodeName=True)[0]


LABELS: list[tuple[dict[str, Any], str]] = [
    (
        {"label_id": [0, 0], "label": ["a", "b"]},
        (
            "parameter 'labelTable' got level 0 in the table 'labels', expected every whole number "
            "at most once"
        ),
    ),
    (
        {"label_id": [0.5], "label": ["a"]},
        (
            "parameter 'labelTable' got level 0.5 in the table 'labels', expected every whole "
            "number at most once"
        ),
    ),
    (
        {"label_id": [None, 1.0], "label": ["a", "b"]},
        (
            "parameter 'labelTable' got level None in the table 'labels', expected every whole "
            "number at most once"
        ),
    ),
    (
        {"label_id": [float("nan")], "label": ["a"]},
        (
            "parameter 'labelTable' got level nan in the table 'labels', expected every whole "
            "number at most once"
        ),
    ),
    (
        {"label_id": [0], "label": [" "]},
        "parameter 'labelTable' got no label for level 0 in the table 'labels', expected a text",
    ),
    (
        {"label_id": [3], "label": ["a"]},
        "parameter 'labelTable' got level 3, expected 0 to 2: the levels of layer 'out'",
    ),
    (
        {"label_id": [-1], "label": ["a"]},
        "parameter 'labelTable' got level -1, expected 0 to 2: the levels of layer 'out'",
    ),
    (
        {"label_id": [0, 1], "label": ["a", "a"]},
        "parameter 'labelTable' gives label 'a' to two levels, expected one each",
    ),
    (
        {"label_id": [0], "label": ["5"]},
        "parameter 'labelTable' gives label '5' to two levels, expected one each",
    ),
    (
        {"label": ["a"]},
        (
            "parameter 'labelTable' got 0 numeric columns in the table 'labels', expected one, or "
            "one named 'label_id'"
        ),
    ),
    (
        {"label_id": [0], "a": ["x"], "b": ["y"]},
        (
            "parameter 'labelTable' got 2 character columns in the table 'labels', expected one, "
            "or one named 'label'"
        ),
    ),
]


@pytest.mark.parametrize(("columns", "message"), LABELS)
def test_labels_that_are_none_are_refused(
    run: Run, ctx: Context, stores: MemoryStores, columns: dict[str, Any], message: str
) -> None:
    put(ctx, "labels", columns)

    with nothing_changes(stores), pytest.raises(InvalidParameters) as caught:
        label(run)

    assert str(caught.value) == message


def test_a_layer_without_levels_is_refused(run: Run, stores: MemoryStores) -> None:
    message = "^weights 'w' know no levels of layer 'fc1', expected one of 'out'$"
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        label(run, layer="fc1")


def test_weights_of_a_number_are_refused(run: Run, stores: MemoryStores) -> None:
    run(
        "dlTrain",
        table="rows",
        modelTable="net",
        modelWeights="numbers",
        inputs=["x"],
        target="kind",
    )

    message = (
        r"^weights 'numbers' know levels of 0 layers \(none\), expected one, or the parameter "
        r"'layer'$"
    )
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        label(run, initWeights="numbers")


def test_weights_that_know_no_data_are_refused(
    run: Run, ctx: Context, stores: MemoryStores
) -> None:
    info, header = ctx.weights.load(Name("w"))
    bare = replace(header, schema=None, lineage={})
    with ctx.weights.stage(bare, ctx.weights.chunks(info)) as staged:
        ctx.tables.publish((staged, Output(Name("bare"))))

    message = "^weights 'bare' know nothing of a target, expected weights of a training$"
    with nothing_changes(stores), pytest.raises(WeightsError, match=message):
        label(run, initWeights="bare")


def test_weights_of_another_model_are_refused(run: Run, stores: MemoryStores) -> None:
    build(run, SMALL_CNN, "other")
    with nothing_changes(stores), pytest.raises(WeightsError, match="belong to another model"):
        label(run, modelTable="other")


def test_a_data_table_is_no_weights(run: Run, stores: MemoryStores) -> None:
    with nothing_changes(stores), pytest.raises(WrongKind):
        label(run, initWeights="rows")


def test_a_taken_name_is_refused(run: Run, stores: MemoryStores) -> None:
    with nothing_changes(stores), pytest.raises(TableExists):
        label(run, modelWeights="w")
