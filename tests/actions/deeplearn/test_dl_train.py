import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from actions import run_action
from actions.context import Context
from actions.errors import ColumnNotFound, InvalidParameters, TableExists, TableNotFound, WrongKind
from actions.memory import MemoryStores
from actions.ports import Name
from actions.results import Json
from engine.errors import (
    Cancelled,
    DataError,
    EngineError,
    GraphError,
    NotSupportedError,
    TrainingError,
    WeightsError,
)
from tests.actions.house import SMALL_CNN, SMALL_DNN, Run, build, nothing_changes, picture, put

OPTIMIZER: dict[str, Any] = {
    "algorithm": {"method": "MOMENTUM", "learningRate": 0.1},
    "miniBatchSize": 8,
    "maxEpochs": 20,
}


@pytest.fixture
def flowers(ctx: Context, run: Run) -> None:
    """Two classes a straight line parts, and an interval that is their sum; a model for them."""
    draw = np.random.default_rng(7)
    x, y = draw.normal(size=(2, 64))
    label = np.where(x + y > 0, "rose", "lily")
    put(ctx, "flowers", {"x": x, "y": y, "label": label.tolist(), "total": x + y})
    build(run, SMALL_DNN)


def train(run: Run, **more: Any) -> Any:
    raw: dict[str, Any] = {
        "table": "flowers",
        "modelTable": "net",
        "modelWeights": {"name": "w", "replace": True},
        "inputs": ["x", "y"],
        "target": "label",
        "seed": 5,
        "optimizer": OPTIMIZER,
    }
    return run("deepLearn.dlTrain", **{**raw, **more})


@pytest.mark.usefixtures("flowers")
class TestFlowers:
    def test_half_precision_is_kept_with_the_weights_and_learns_as_well(
        self, ctx: Context, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        losses = []
        for gpu in (None, True, {"precision": "FP16"}):
            answer = train(run, gpu=gpu)
            losses.append([row["Loss"] for row in answer.tables["OptIterHistory"].records()])

        kept = _get(ctx.weights.load(Name("w"))[1].lineage["parameters"], "gpu")
        assert _get(kept, "precision") == "FP16"
        assert losses[0] == losses[1] != losses[2]
        np.testing.assert_allclose(losses[2], losses[0], rtol=0.05)
        assert [m.text[:60] for m in ctx.messages if m.level == "warning"] == [
            "The parameter 'gpu' asks for a graphics processor and this m"
        ] * 2

    def test_training_learns_and_answers_with_its_history(self, run: Run) -> None:
        answer = train(run)

        history = answer.tables["OptIterHistory"].records()
        assert list(history[0]) == ["Epoch", "LearningRate", "Loss", "FitError"]
        assert [row["Epoch"] for row in history] == list(range(20))
        assert history[-1]["FitError"] < 0.1 < history[0]["Loss"]
        assert answer.values["reason"] == "reached the maximum number of epochs"
        assert answer.tables["OutputCasTables"].records() == [
            # 2 inputs to 4 neurons and 4 to 2 levels, each neuron with a bias
            {"casLib": "CASUSER", "Name": "w", "Rows": 2 * 4 + 4 + 4 * 2 + 2, "Columns": 3}
        ]

    def test_the_model_is_described_with_its_parameters(self, run: Run) -> None:
        info = {row["Descr"]: row["Value"] for row in train(run).tables["ModelInfo"].records()}

        assert info["Model Name"] == "net"
        assert info["Model Type"] == "Convolutional Neural Network"
        assert info["Number of Layers"] == "3"
        assert info["Number of Fully Connected Layers"] == "1"
        assert info["Number of Weight Parameters"] == "16"
        assert info["Number of Bias Parameters"] == "6"
        assert info["Total Number of Model Parameters"] == "22"
        assert info["Approximate Memory Cost for Training (MB)"] == "1"

    def test_the_same_seed_gives_the_same_weights(self, run: Run, ctx: Context) -> None:
        train(run)
        train(run, modelWeights="again")

        first, second = (
            [row for batch in _weights(ctx, name) for row in batch] for name in ("w", "again")
        )
        assert first == second

    def test_weights_of_observations_and_classes_are_heard(self, run: Run, ctx: Context) -> None:
        draw = np.random.default_rng(3)
        x, y = draw.normal(size=(2, 64))
        label = np.where(x > 0, "rose", "lily").tolist()
        put(ctx, "flowers", {"x": x, "y": y, "label": label, "size": (x > 0).astype(float)})

        only_roses = train(run, weight="size", table="flowers")
        classes = [{"level": "lily", "weight": 0}]
        by_class = train(run, classWeights=classes, table="flowers", modelWeights="c")

        # lilies weigh nothing either way: the runs are the same
        first, second = (each.tables["OptIterHistory"].rows for each in (only_roses, by_class))
        assert first == second

    def test_train_is_another_name_of_dl_train(self, run: Run) -> None:
        raw: dict[str, Any] = {
            "table": "flowers",
            "model": "net",
            "modelWeights": "w",
            "inputs": ["x", "y"],
            "target": "total",
            "optimizer": {"maxEpochs": 1},
        }
        assert "OptIterHistory" in run("deeplearn.TRAIN", **raw).tables

    def test_norms_and_validation_have_columns_when_they_are_asked_for(self, run: Run) -> None:
        answer = train(
            run,
            validTable={"name": "flowers", "where": "x > 0"},
            optimizer={**OPTIMIZER, "maxEpochs": 4, "regL1": 0.001, "regL2": 0.01},
            validFreq=2,
        )

        history = answer.tables["OptIterHistory"].records()
        assert list(history[0]) == [
            "Epoch",
            "LearningRate",
            "Loss",
            "FitError",
            "L1Norm",
            "L2Norm",
            "ValidLoss",
            "ValidError",
        ]
        assert [row["ValidLoss"] is None for row in history] == [True, False, True, False]

    def test_best_weights_are_published_with_the_last_ones(self, run: Run, ctx: Context) -> None:
        answer = train(run, bestWeights="best", validTable="flowers")

        names = [row["Name"] for row in answer.tables["OutputCasTables"].records()]
        assert names == ["w", "best"]
        assert ctx.tables.find(Name("best")).kind == "weights"

    def test_weights_know_where_they_come_from(self, run: Run, ctx: Context) -> None:
        train(run, table={"name": "flowers", "where": "x > -1"})

        header = ctx.weights.load(Name("w"))[1]
        lineage = header.lineage
        assert lineage["seed"] == 5
        assert _get(lineage["table"], "name") == "flowers"
        assert _get(lineage["table"], "where") == "x > -1"
        assert _get(lineage["model"], "name") == "net"
        assert _get(lineage["versions"], "castorch")
        assert _get(lineage["parameters"], "inputs") == [{"name": "x"}, {"name": "y"}]
        assert header.schema is not None

    def test_training_goes_on_from_weights(self, run: Run) -> None:
        train(run)
        again = train(run, initWeights="w", modelWeights="w2")

        first = again.tables["OptIterHistory"].records()[0]
        assert first["FitError"] < 0.1

    def test_layers_without_weights_start_afresh_when_a_condition_leaves_them_out(
        self, run: Run
    ) -> None:
        train(run)
        weights = {"name": "w", "where": "_LayerID_ < 2"}

        again = train(run, initWeights=weights, modelWeights="w2")

        texts = [message.text for message in again.messages]
        assert "Layers without starting weights were initialised: out." in texts

    def test_followers_hear_once_how_long_the_way_to_the_first_mini_batch_was(
        self, ctx: Context
    ) -> None:
        heard: list[tuple[str, Mapping[str, Json]]] = []
        loud = replace(ctx, report=lambda kind, data: heard.append((kind, data)))
        train(lambda name, **raw: run_action(loud, name, raw), optimizer={"maxEpochs": 2})

        assert [kind for kind, _ in heard if kind in ("begun", "batch")][:2] == ["begun", "batch"]
        (seconds,) = [data for kind, data in heard if kind == "begun"]
        assert set(seconds) == {
            "checking",
            "learning",
            "encoding",
            "gathering",
            "initializing",
            "loading",
            "firstBatch",
        }
        assert all(isinstance(each, float) and each >= 0.0 for each in seconds.values())

    def test_followers_hear_of_epochs_and_batches(self, ctx: Context) -> None:
        heard: list[tuple[str, Mapping[str, Json]]] = []
        loud = replace(ctx, report=lambda kind, data: heard.append((kind, data)))
        train(lambda name, **raw: run_action(loud, name, raw), optimizer={"maxEpochs": 2})

        epochs = [data for kind, data in heard if kind == "epoch"]
        batches = [data for kind, data in heard if kind == "batch"]
        assert [each["epoch"] for each in epochs] == [0, 1]
        assert set(epochs[0]) == {
            "epoch",
            "epochs",
            "learningRate",
            "loss",
            "fitError",
            "seconds",
        }
        assert set(batches[0]) == {
            "epoch",
            "batch",
            "batches",
            "rows",
            "learningRate",
            "loss",
            "fitError",
        }

    def test_the_log_says_as_much_as_is_asked_for(self, run: Run) -> None:
        quiet = [m.text for m in train(run).messages]
        loud = [m.text for m in train(run, optimizer={**OPTIMIZER, "logLevel": 3}).messages]

        assert quiet == []
        assert loud[0] == "Synchronous mode is enabled."
        assert "The total number of parameters is 22." in loud
        assert "The target variable is label." in loud
        assert "Level 0: lily" in loud
        assert "The number of numeric input variables is 2." in loud
        assert any(re.match(r"Batch 1: nUsed 8, learning rate 0.1, loss ", t) for t in loud)
        assert any(re.match(r"Epoch 19: learning rate 0.1, loss ", text) for text in loud)
        assert "The optimization stopped: reached the maximum number of epochs." in loud

    def test_rows_of_a_mini_batch_are_those_of_all_threads(self, run: Run) -> None:
        answer = train(run, nThreads=2, optimizer={**OPTIMIZER, "logLevel": 1})

        texts = [message.text for message in answer.messages]
        assert "The total mini-batch size is 16." in texts

    def test_cancelling_leaves_nothing_behind(self, ctx: Context, stores: MemoryStores) -> None:
        stopped = replace(ctx, cancelled=lambda: True)
        with nothing_changes(stores), pytest.raises(Cancelled):
            train(lambda name, **raw: run_action(stopped, name, raw))

    BAD: tuple[tuple[dict[str, Any], type[EngineError], str], ...] = (
        (
            {"table": "flower"},
            TableNotFound,
            r"^no table is named 'flower' in caslib 'CASUSER'; did you mean 'flowers'\?$",
        ),
        ({"modelTable": "flowers"}, WrongKind, r"is a data table, expected a model table$"),
        (
            {"inputs": ["x", "z"]},
            ColumnNotFound,
            r"^the table 'flowers' has no column 'z'$",
        ),
        (
            {"target": "lable"},
            ColumnNotFound,
            r"^the table 'flowers' has no column 'lable'; did you mean 'label'\?$",
        ),
        (
            {"inputs": []},
            InvalidParameters,
            (
                r"^parameter 'inputs' got no columns, and the table 'flowers' has no column "
                r"'_image_', expected at least one$"
            ),
        ),
        (
            {"table": {"name": "flowers", "where": "x > 100"}},
            DataError,
            r"no rows|empty",
        ),
        ({"initWeights": "nowhere"}, TableNotFound, r"^no table is named 'nowhere'"),
        (
            {"weight": "x"},
            DataError,
            r"^weight variable 'x' got -0\.27.* in row 2, expected a number",
        ),
        (
            {"optimizer": {"algorithm": {"useLocking": False}}},
            NotSupportedError,
            (
                r"^parameter 'optimizer.algorithm': optimizer option algorithm.useLocking = False "
                r"is not"
            ),
        ),
        (
            {"optimizer": {"algorithm": {"method": "ADAMX"}}},
            InvalidParameters,
            (
                r"^parameter 'optimizer.algorithm.method' got 'ADAMX', expected one of VANILLA, "
                r"MOMENTUM, NESTEROV, ADAM, ADAMW, ADAGRAD, RMSPROP, LBFG, NATGRAD; did you mean "
                r"'ADAM' or 'ADAMW'\?$"
            ),
        ),
        (
            {"optimizer": {"algorithm": {"method": "ADAM", "learningRate": -1}}},
            InvalidParameters,
            r"^parameter 'optimizer.algorithm.learningRate' got -1, expected greater than 0$",
        ),
        (
            {"optimizer": {"totalMiniBatchSize": 3}, "nThreads": 2},
            TrainingError,
            r"^optimizer option totalMiniBatchSize got 3, expected a multiple of the 2 threads",
        ),
        (
            {"bestWeights": "W"},
            InvalidParameters,
            r"^parameters 'modelWeights' and 'bestWeights' got one name, 'w', expected two$",
        ),
        ({"modelWeights": "net"}, TableExists, r"^the table 'net' exists in caslib 'CASUSER'"),
        (
            {"optimizer": {"algorithm": {"learningRate": 1e30}, "maxEpochs": 5}, "target": "total"},
            TrainingError,
            r"not finite",
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
            train(run, **more)

    def test_a_column_without_values_is_refused(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "empty", {"x": [1.0, 2.0], "y": [float("nan")] * 2, "label": ["a", "b"]})

        with nothing_changes(stores), pytest.raises(DataError, match=r"'y'"):
            train(run, table="empty")

    def test_a_model_that_is_not_complete_is_refused(self, run: Run, stores: MemoryStores) -> None:
        build(run, SMALL_DNN[:2], "part")

        message = r"^model 'part' has no task layer, expected at least one; add an output layer$"
        with nothing_changes(stores), pytest.raises(GraphError, match=message):
            train(run, modelTable="part")

    def test_weights_of_another_model_are_refused_by_their_first_layer(
        self, run: Run, stores: MemoryStores
    ) -> None:
        train(run)
        layers = [*SMALL_DNN]
        layers[1] = {**layers[1], "layer": {"type": "fc", "n": 9}}
        build(run, layers, "wide")

        message = (
            r"^weights 'w' belong to another model than 'wide': layer 'fc1' \(fc\) got "
            r"weight 2 x 4, bias 4, expected weight 2 x 9, bias 9$"
        )
        with nothing_changes(stores), pytest.raises(WeightsError, match=message):
            train(run, modelTable="wide", initWeights="w", modelWeights="w2")

    def test_a_data_table_of_weights_must_have_their_three_columns(
        self, run: Run, stores: MemoryStores
    ) -> None:
        message = r"^the table 'flowers' has no column '_LayerID_'$"
        with nothing_changes(stores), pytest.raises(ColumnNotFound, match=message):
            train(run, initWeights="flowers")

    def test_weights_with_missing_values_are_refused(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "u", {"_LayerID_": [1], "_WeightID_": [0], "_Weight_": [None]})

        message = r"^weights 'u' have 1 missing values in '_Weight_', expected none$"
        with nothing_changes(stores), pytest.raises(WeightsError, match=message):
            train(run, initWeights="u")

    def test_weights_with_broken_ids_are_refused(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "u", {"_LayerID_": [1.5], "_WeightID_": [0], "_Weight_": [0.5]})

        message = r"^weights 'u' hold values in '_LayerID_' that are no int64: "
        with nothing_changes(stores), pytest.raises(WeightsError, match=message):
            train(run, initWeights="u")


def _get(value: object, key: str) -> Any:
    assert isinstance(value, dict)
    return value[key]


def _weights(ctx: Context, name: str) -> list[list[float]]:
    info = ctx.weights.load(Name(name))[0]
    return [chunk.values.tolist() for chunk in ctx.weights.chunks(info)]


@pytest.fixture
def images(ctx: Context, run: Run) -> None:
    """Dark images of ones and light ones of zeros, 4 by 4."""
    draw = np.random.default_rng(3)
    dark = [picture(draw.integers(0, 60, (4, 4))) for _ in range(8)]
    light = [picture(draw.integers(190, 256, (4, 4))) for _ in range(8)]
    put(ctx, "pictures", {"_image_": dark + light, "_label_": ["one"] * 8 + ["zero"] * 8})
    layers = [*SMALL_CNN]
    layers[0] = {**layers[0], "layer": {**layers[0]["layer"], "scale": 1 / 255}}
    build(run, layers)


@pytest.mark.usefixtures("images")
class TestPictures:
    def test_image_and_label_are_the_columns_unless_others_are_given(self, run: Run) -> None:
        answer = run(
            "deepLearn.dlTrain",
            table="pictures",
            modelTable="net",
            modelWeights="w",
            seed=1,
            optimizer={
                "algorithm": {"method": "ADAM", "learningRate": 0.05},
                "miniBatchSize": 16,
                "maxEpochs": 40,
            },
        )

        assert answer.tables["OptIterHistory"].records()[-1]["FitError"] == 0

    def test_an_image_that_cannot_be_decoded_is_named_by_its_row(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        good = picture(np.zeros((4, 4)))
        put(ctx, "broken", {"_image_": [good, good, b"nothing"], "_label_": ["a", "b", "a"]})

        message = r"^column '_image_', row 2 got 7 bytes that are no readable image"
        with nothing_changes(stores), pytest.raises(DataError, match=message):
            run("deepLearn.dlTrain", table="broken", modelTable="net", modelWeights="w")
