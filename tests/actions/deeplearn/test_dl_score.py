from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from actions import run_action
from actions.context import Context
from actions.errors import ColumnNotFound, InvalidParameters, TableExists, TableNotFound
from actions.memory import MemoryStores
from actions.ports import Name
from actions.results import Json
from engine.errors import Cancelled, DataError, EngineError, WeightsError
from engine.fast_paths import NONE, FastPaths
from engine.score.frozen_form import Record
from tests.actions.house import (
    SMALL_CNN,
    SMALL_DNN,
    Run,
    build,
    nothing_changes,
    picture,
    put,
    rows_of,
)


@pytest.fixture
def trained(ctx: Context, run: Run) -> None:
    """A model that tells roses from lilies, and its weights ``w``."""
    draw = np.random.default_rng(7)
    x, y = draw.normal(size=(2, 64))
    label = np.where(x + y > 0, "rose", "lily").tolist()
    put(ctx, "flowers", {"id": np.arange(64), "x": x, "y": y, "label": label, "total": x + y})
    build(run, SMALL_DNN)
    optimizer = {
        "algorithm": {"method": "MOMENTUM", "learningRate": 0.1},
        "miniBatchSize": 8,
        "maxEpochs": 20,
    }
    run(
        "deepLearn.dlTrain",
        table="flowers",
        modelTable="net",
        modelWeights="w",
        inputs=["x", "y"],
        target="label",
        seed=5,
        optimizer=optimizer,
    )


def score(run: Run, **more: Any) -> Any:
    raw = {"table": "flowers", "modelTable": "net", "initWeights": "w", **more}
    return run("deepLearn.dlScore", **raw)


def facts(answer: Any) -> dict[str, float]:
    return {row["Descr"]: float(row["Value"]) for row in answer.tables["ScoreInfo"].records()}


@pytest.mark.usefixtures("trained")
class TestFlowers:
    def test_the_scored_table_has_probabilities_and_the_likeliest_level(
        self, run: Run, ctx: Context
    ) -> None:
        answer = score(run, casOut="scored", copyVars=["id", "LABEL"])

        rows = rows_of(ctx, "scored")
        assert list(rows[0])[:5] == ["id", "label", "P_labellily", "P_labelrose", "I_label"]
        assert [row["id"] for row in rows] == list(range(64))
        for row in rows:
            assert row["P_labellily"] + row["P_labelrose"] == pytest.approx(1)
            better = "rose" if row["P_labelrose"] > row["P_labellily"] else "lily"
            assert row["I_label"] == better
        wrong = sum(row["I_label"] != row["label"] for row in rows)
        found = facts(answer)
        assert found["Number of Observations Read"] == 64
        assert found["Number of Observations Used"] == 64
        assert found["Misclassification Error (%)"] == pytest.approx(100 * wrong / 64)
        likely = [row[f"P_label{row['label']}"] for row in rows]
        assert found["Loss Error"] == pytest.approx(-np.log(likely).mean(), rel=1e-5)

    def test_names_may_count_levels_instead(self, run: Run, ctx: Context) -> None:
        score(run, casOut="scored", encodeName=False)

        assert {"_DL_P0_", "_DL_P1_", "_DL_PredName_", "_DL_PredP_", "_DL_PredLevel_"} == set(
            rows_of(ctx, "scored")[0]
        )

    def test_all_columns_are_copied_for_all(self, run: Run, ctx: Context) -> None:
        score(run, casOut="scored", copyVars="ALL")

        assert list(rows_of(ctx, "scored")[0])[:5] == ["id", "x", "y", "label", "total"]

    def test_without_an_output_table_there_is_only_the_summary(self, run: Run) -> None:
        assert set(score(run).tables) == {"ScoreInfo"}

    def test_counts_per_level_are_given_when_they_are_asked_for(self, run: Run) -> None:
        classes = score(run, displayClassScoreInfo="all").tables["ClassScoreInfo"].records()

        assert [row["ClassName"] for row in classes] == ["lily", "rose"]
        assert sum(row["Frequency"] for row in classes) == 64

    def test_the_best_levels_are_given_when_they_are_asked_for(
        self, run: Run, ctx: Context
    ) -> None:
        answer = score(run, casOut="scored", topProbs=2)

        assert facts(answer)["Top 2 Misclassification Error (%)"] == 0
        assert "_DL_TOP_P0_" in rows_of(ctx, "scored")[0]

    def test_a_table_without_the_target_is_scored_without_errors(
        self, run: Run, ctx: Context
    ) -> None:
        put(ctx, "new", {"X": [0.0, 3.0], "Y": [-3.0, 0.0]})

        answer = score(run, table="new", casOut="scored")

        assert [row["I_label"] for row in rows_of(ctx, "scored")] == ["lily", "rose"]
        assert set(facts(answer)) == {
            "Number of Observations Read",
            "Number of Observations Used",
        }

    def test_where_chooses_the_rows_that_are_scored(self, run: Run, ctx: Context) -> None:
        table = {"name": "flowers", "where": "id < 3"}
        score(run, table=table, casOut="scored", copyVars="id")

        assert [row["id"] for row in rows_of(ctx, "scored")] == [0, 1, 2]

    def test_layer_outputs_are_a_table_of_their_own(self, run: Run, ctx: Context) -> None:
        answer = score(run, casOut="scored", layerOut="acts", layers="fc1", copyVars="id")

        rows = rows_of(ctx, "acts")
        assert list(rows[0]) == ["id", *[f"_LayerAct_1_0_0_{neuron}_" for neuron in range(4)]]
        made = [row["Name"] for row in answer.tables["OutputCasTables"].records()]
        assert made == ["scored", "acts"]

    def test_all_layers_are_given_when_none_is_named(self, run: Run, ctx: Context) -> None:
        score(run, layerOut="acts")

        # two inputs, four neurons, two levels
        assert len(rows_of(ctx, "acts")[0]) == 2 + 4 + 2

    def test_a_level_training_did_not_see_is_warned_of(self, run: Run, ctx: Context) -> None:
        put(ctx, "new", {"x": [0.0], "y": [3.0], "label": ["tulip"]})

        answer = score(run, table="new")

        assert [message.text for message in answer.messages] == [
            (
                "column 'label' has 1 values that training did not see; they count as wrong and "
                "have no loss"
            )
        ]
        assert facts(answer)["Misclassification Error (%)"] == 100

    def test_weights_that_were_fetched_and_sent_back_score_the_same(
        self, run: Run, ctx: Context
    ) -> None:
        build(run, [{**SMALL_CNN[0]}, {**SMALL_CNN[3], "srcLayers": "data"}], "pixels")
        draw = np.random.default_rng(1)
        pictures = [picture(draw.integers(0, 256, (4, 4))) for _ in range(6)]
        put(ctx, "pictures", {"_image_": pictures, "_label_": ["0", "1"] * 3})
        optimizer = {"miniBatchSize": 6, "algorithm": {"learningRate": 1e-5}}
        run(
            "deepLearn.train",
            table="pictures",
            model="pixels",
            modelWeights="pw",
            optimizer=optimizer,
        )
        run("table.partition", table={"name": "pw", "where": "_LayerID_ >= 0"}, casOut="columns")
        raw: dict[str, Any] = {"table": "pictures", "modelTable": "pixels"}

        kept = score(run, **raw, initWeights="pw", casOut="first")
        sent = score(run, **raw, initWeights="columns", casOut="second")

        assert facts(kept) == facts(sent)
        first, second = rows_of(ctx, "first"), rows_of(ctx, "second")
        assert first == second
        assert [message.text for message in sent.messages] == [
            "No target map from nominal values to numeric values is found."
        ]

    def test_followers_hear_how_far_scoring_is(self, ctx: Context) -> None:
        heard: list[tuple[str, Mapping[str, Json]]] = []
        loud = replace(ctx, report=lambda kind, data: heard.append((kind, data)))
        score(lambda name, **raw: run_action(loud, name, raw), logLevel=1)

        assert heard[0] == ("progress", {"rows": 64, "of": 64})
        assert heard[1] == ("note", {"text": "64 of 64 rows were scored."})

    def test_cancelling_leaves_nothing_behind(self, ctx: Context, stores: MemoryStores) -> None:
        stopped = replace(ctx, cancelled=lambda: True)
        with nothing_changes(stores), pytest.raises(Cancelled, match=r"^scoring was cancelled$"):
            score(lambda name, **raw: run_action(stopped, name, raw), casOut="scored")

    BAD: tuple[tuple[dict[str, Any], type[EngineError], str], ...] = (
        ({"initWeights": "v"}, TableNotFound, r"^no table is named 'v' in caslib 'CASUSER'"),
        ({"casOut": "flowers"}, TableExists, r"^the table 'flowers' exists in caslib 'CASUSER'"),
        (
            {"casOut": "s", "copyVars": "idd"},
            ColumnNotFound,
            r"^the table 'flowers' has no column 'idd'; did you mean 'id'\?$",
        ),
        (
            {"layerOut": "a", "layers": "fc9"},
            EngineError,
            r"^the layer 'fc9' does not exist in model 'net'; did you mean 'fc1'\?$",
        ),
        (
            {"topProbs": 0},
            InvalidParameters,
            r"^parameter 'topProbs' got 0, expected greater than 0$",
        ),
        (
            {"randomFlip": "H"},
            InvalidParameters,
            r"^parameter 'randomFlip' got 'H', expected one of NONE$",
        ),
    )

    @pytest.mark.parametrize(("more", "error", "message"), BAD)
    def test_what_is_wrong_leaves_the_store_as_it_was(
        self,
        run: Run,
        stores: MemoryStores,
        more: dict[str, Any],
        error: type[EngineError],
        message: str,
    ) -> None:
        with nothing_changes(stores), pytest.raises(error, match=message):
            score(run, **more)

    def test_a_missing_input_column_is_named(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "half", {"x": [1.0]})

        message = r"^the table 'half' has no column 'y'$"
        with nothing_changes(stores), pytest.raises(ColumnNotFound, match=message):
            score(run, table="half", casOut="scored")

    def test_a_cell_that_is_no_number_leaves_nothing_behind(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "odd", {"x": ["one"], "y": [1.0]})

        message = r"^column 'x', row 0 got 'one', expected a number$"
        with nothing_changes(stores), pytest.raises(DataError, match=message):
            score(run, table="odd", casOut="scored")

    def test_a_copied_column_may_not_be_one_of_the_scores(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "twice", {"x": [1.0], "y": [1.0], "i_LABEL": ["a"]})

        message = (
            r"^parameter 'copyVars' got 'I_label', which is a column of the scores too; "
            r"leave it out$"
        )
        with nothing_changes(stores), pytest.raises(InvalidParameters, match=message):
            score(run, table="twice", casOut="scored", copyVars="all")

    CHANGED: tuple[tuple[dict[str, Any], str], ...] = (
        ({"layer": {"type": "fc", "n": 4, "act": "SIN"}}, "has act 'SIN', expected 'AUTO'"),
        ({"layer": {"type": "fc", "n": 5}}, "has n 5, expected 4"),
    )

    @pytest.mark.parametrize(("change", "how"), CHANGED)
    def test_a_model_that_was_changed_since_is_refused_by_its_first_layer(
        self, run: Run, stores: MemoryStores, change: dict[str, Any], how: str
    ) -> None:
        run("deepLearn.addLayer", modelTable="net", **{**SMALL_DNN[1], **change}, replace=True)

        message = rf"^weights 'w' belong to another model than 'net': layer 'fc1' {how}$"
        with nothing_changes(stores), pytest.raises(WeightsError, match=message):
            score(run, casOut="scored")

    def test_a_model_with_a_layer_more_or_less_is_refused(
        self, run: Run, stores: MemoryStores
    ) -> None:
        build(run, [SMALL_DNN[0], {**SMALL_DNN[2], "srcLayers": "data"}], "less")
        message = (
            r"^weights 'w' belong to another model than 'less': layer 'out' has id 1, expected 2$"
        )
        with nothing_changes(stores), pytest.raises(WeightsError, match=message):
            score(run, modelTable="less")

    def test_columns_of_weights_without_a_schema_need_a_model_of_images(
        self, run: Run, stores: MemoryStores
    ) -> None:
        run("table.partition", table={"name": "w", "where": "_LayerID_ >= 0"}, casOut="columns")

        message = (
            r"^weights 'columns' carry no data schema, expected a weight table made by dlTrain, "
            r"or a model of images with a number of neurons and a column '_image_'$"
        )
        with nothing_changes(stores), pytest.raises(WeightsError, match=message):
            score(run, initWeights="columns")

    def test_intervals_are_predicted_in_their_own_units(self, run: Run, ctx: Context) -> None:
        optimizer = {
            "algorithm": {"method": "ADAM", "learningRate": 0.02},
            "miniBatchSize": 8,
            "maxEpochs": 30,
        }
        run(
            "deepLearn.dlTrain",
            table="flowers",
            modelTable="net",
            modelWeights="wt",
            inputs=["x", "y"],
            target="total",
            seed=2,
            optimizer=optimizer,
        )

        answer = score(run, initWeights="wt", casOut="scored", copyVars="total")

        rows = rows_of(ctx, "scored")
        errors = [(row["P_total"] - row["total"]) ** 2 for row in rows]
        assert facts(answer)["Mean Squared Error"] == pytest.approx(np.mean(errors), rel=1e-4)
        assert facts(answer)["Loss Error"] == pytest.approx(np.mean(errors) / 2, rel=1e-4)


@pytest.mark.usefixtures("trained")
def test_model_info_checks_weights_against_the_model(run: Run, ctx: Context) -> None:
    info = run("deepLearn.modelInfo", modelTable="net", initWeights="w").tables["ModelInfo"]
    found = {row["Descr"]: row["Value"] for row in info.records()}
    assert found["Total Number of Model Parameters"] == "22"
    assert ctx.tables.find(Name("w")).rows == 22

    run("deepLearn.addLayer", modelTable="net", **{**SMALL_DNN[1], "replace": True})
    build(run, [SMALL_DNN[0], {**SMALL_DNN[2], "srcLayers": "data"}], "less")
    message = r"^weights 'w' belong to another model than 'less': layer 'out' \(output\) got "
    with pytest.raises(WeightsError, match=message):
        run("deepLearn.modelInfo", modelTable="less", initWeights="w")


@pytest.mark.parametrize(("image_type", "head"), [("jpg", b"\xff\xd8\xff"), ("PNG", b"\x89PNG")])
def test_maps_of_layers_are_images_and_vectors_stay_numbers(
    run: Run, ctx: Context, image_type: str, head: bytes
) -> None:
    build(run, SMALL_CNN)
    draw = np.random.default_rng(1)
    pictures = [picture(draw.integers(0, 256, (4, 4))) for _ in range(3)]
    put(ctx, "pictures", {"_image_": [*pictures, None], "_label_": ["a", "b", "a", "b"]})
    raw: dict[str, Any] = {"table": "pictures", "modelTable": "net"}
    run("deepLearn.dlTrain", **raw, modelWeights="w", optimizer={"maxEpochs": 1})

    run(
        "deepLearn.dlScore",
        **raw,
        initWeights="w",
        layerOut="maps",
        layers=["conv1", "out"],
        layerImageType=image_type,
    )

    rows = rows_of(ctx, "maps")
    assert list(rows[0]) == [
        *("_LayerAct_1_IMG_0_", "_LayerAct_1_IMG_1_", "_LayerAct_3_0_0_0_", "_LayerAct_3_0_0_1_")
    ]
    assert [row["_LayerAct_1_IMG_0_"][:3] == head[:3] for row in rows[:3]] == [True] * 3
    assert rows[3]["_LayerAct_1_IMG_0_"] is None


@pytest.mark.usefixtures("trained")
def test_what_was_found_out_of_a_network_is_kept_with_its_weights(
    ctx: Context, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(run)
    assert "scoring" not in ctx.tables.find(Name("w")).attributes  # not worth a line

    monkeypatch.setattr("actions.deeplearn.scoring.WORTH_S", 0.0)
    score(run, bufferSize=8)
    kept = ctx.tables.find(Name("w")).attributes["scoring"]
    assert isinstance(kept, dict)
    [(machine, found)] = kept.items()
    assert machine.startswith("torch ")
    record = Record.model_validate(found)
    assert (record.form, record.spent_s > 0) == ("", True)
    again = score(run)
    assert facts(again)["Number of Observations Used"] == 64


@pytest.mark.usefixtures("trained")
def test_half_precision_scores_near_float32_in_every_dialect_of_the_parameter(
    ctx: Context, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    found = []
    for gpu in (None, 1, {"devices": [0], "precision": "FP32"}, {"precision": "fp16"}):
        score(run, gpu=gpu, copyVars=["id"], casOut={"name": "out", "replace": True})
        found.append(np.array([row["P_labelrose"] for row in rows_of(ctx, "out")]))

    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    assert not np.array_equal(found[3], found[0])
    # raw outputs of 10 are off by up to 0.04, and a probability of them by a quarter of that, twice
    np.testing.assert_allclose(found[3], found[0], atol=3e-2)


@pytest.mark.usefixtures("trained")
def test_each_fast_path_can_be_left_out_and_changes_no_number(ctx: Context) -> None:
    raw: dict[str, Json] = {
        "table": "flowers",
        "modelTable": "net",
        "initWeights": "w",
        "copyVars": ["id"],
    }
    expected = None
    left_out: tuple[FastPaths, ...] = (NONE, frozenset({"folding"}), frozenset({"overlap"}))
    for without in left_out:
        own = replace(ctx, without=without, threads=2)
        run_action(own, "deepLearn.dlScore", {**raw, "casOut": {"name": "out", "replace": True}})
        rows = [(row["id"], row["P_labelrose"]) for row in rows_of(ctx, "out")]
        expected = expected or rows
        np.testing.assert_allclose(rows, expected, rtol=1e-6)
