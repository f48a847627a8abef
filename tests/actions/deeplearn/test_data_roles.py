"""Sequences, texts, and several input and task layers through dlTrain and dlScore."""

import re
from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidParameters
from actions.ports import Name
from engine.errors import DataError, NotSupportedError
from tests.actions.house import SMALL_DNN, Run, build, put, rows_of

ADAM: dict[str, Any] = {
    "algorithm": {"method": "ADAM", "learningRate": 0.05},
    "miniBatchSize": 16,
    "maxEpochs": 12,
}


def recurrent(source: str = "data", **options: Any) -> dict[str, Any]:
    layer = {"type": "recurrent", "n": 4, "rnnType": "GRU", **options}
    return {"name": "code", "layer": layer, "srcLayers": source}


DATA: dict[str, Any] = {"name": "data", "layer": {"type": "input"}}
OUT: dict[str, Any] = {"name": "out", "layer": {"type": "output"}, "srcLayers": "code"}
ENCODER = [DATA, recurrent(), OUT]


def train(run: Run, table: str, **more: Any) -> Any:
    raw = {"table": table, "modelTable": "net", "modelWeights": {"name": "w", "replace": True}}
    return run("deepLearn.dlTrain", **{**raw, "seed": 3, "optimizer": ADAM, **more})


def score(run: Run, table: str, **more: Any) -> Any:
    raw = {"table": table, "modelTable": "net", "initWeights": "w"}
    out = {"name": "scored", "replace": True}
    return run("deepLearn.dlScore", **{**raw, "casOut": out, "encodeName": False, **more})


def facts(answer: Any) -> dict[str, float]:
    rows = answer.tables["ScoreInfo"].records()
    return {row["Descr"]: float(row["Value"]) for row in rows}


STEPS = ("x0", "x1", "x2", "x3")


@pytest.fixture
def walks(ctx: Context, run: Run) -> None:
    """Rows of two to four true steps; the last true step tells the class, padding lies."""
    draw = np.random.default_rng(5)
    values, lengths = draw.normal(size=(96, 4)), draw.integers(2, 5, size=96)
    last = values[np.arange(96), lengths - 1]
    padded = np.where(np.arange(4) < lengths[:, None], values, -50.0 * np.sign(last)[:, None])
    columns: dict[str, Any] = {name: padded[:, step] for step, name in enumerate(STEPS)}
    signs = np.where(values > 0, "up", "down").astype(object)
    for step in range(4):
        columns[f"s{step}"] = [
            sign if length > step else None
            for sign, length in zip(signs[:, step], lengths, strict=True)
        ]
    put(ctx, "walks", {**columns, "len": lengths, "last": np.where(last > 0, "up", "down")})
    build(run, ENCODER)


@pytest.mark.usefixtures("walks")
class TestSequences:
    def test_a_recurrent_network_learns_from_true_steps(self, run: Run) -> None:
        sequence = {"inputLength": "LEN", "tokenSize": 1}
        told = {**ADAM, "logLevel": 3}
        roles = {"inputs": list(STEPS), "target": "last", "sequence": sequence}
        answer = train(run, "walks", **roles, optimizer=told)

        info = {row["Descr"]: row["Value"] for row in answer.tables["ModelInfo"].records()}
        assert info["Number of Recurrent Layers"] == "1"
        # GRU 3 * 4 * (1 + 4) + 12, output 4 * 2 + 2
        assert info["Total Number of Model Parameters"] == str(60 + 12 + 10)
        assert facts(score(run, "walks"))["Misclassification Error (%)"] < 15

    def test_the_old_form_says_the_number_of_steps(self, run: Run) -> None:
        opts = {"timeStep": 2}
        answer = train(run, "walks", inputs=list(STEPS), target="last", sequenceOpts=opts)

        info = {row["Descr"]: row["Value"] for row in answer.tables["ModelInfo"].records()}
        # two values a step: 3 * 4 * (2 + 4) + 12 + 10
        assert info["Total Number of Model Parameters"] == str(72 + 12 + 10)

    def test_every_step_is_predicted(self, run: Run, ctx: Context) -> None:
        build(run, [DATA, recurrent(outputType="SAMELENGTH"), OUT])
        train(
            run,
            "walks",
            inputs=list(STEPS),
            targetSequence=["s0", "s1", "s2", "s3"],
            sequence={"inputLength": "len", "targetLength": "len"},
        )
        found = facts(score(run, "walks", copyVars=["len"]))

        assert found["Misclassification Error (%)"] < 10
        rows = rows_of(ctx, "scored")
        assert {"_DL_P3_1_", "_DL_PredName3_", "_DL_PredP3_", "_DL_PredLevel3_"} <= set(rows[0])
        assert all((row["_DL_PredName3_"] is None) == (row["len"] < 4) for row in rows)

    def test_a_length_of_zero_is_refused_with_its_row(self, run: Run, ctx: Context) -> None:
        put(ctx, "empty", {"x0": [1.0, 2.0], "len": [1, 0], "last": ["up", "down"]})
        message = r"^column 'len', row 1 got 0, expected the number of true steps, 1 to 1$"
        with pytest.raises(DataError, match=message):
            train(run, "empty", inputs="x0", target="last", sequence={"inputLength": "len"})

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (
                {"sequence": {"tokenSize": 1}, "sequenceOpts": {"timeStep": 2}},
                ("parameters 'sequence' and 'sequenceOpts' got a value both, expected one of them"),
            ),
            (
                {"sequenceOpts": {"timeStep": 3}},
                (
                    "parameter 'sequenceOpts.timeStep' got 3, expected a divisor of 4, the number "
                    "of input columns"
                ),
            ),
        ],
    )
    def test_steps_that_contradict_are_refused(
        self, run: Run, more: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$"):
            train(run, "walks", inputs=list(STEPS), target="last", **more)

    def test_a_length_must_be_a_column(self, run: Run) -> None:
        with pytest.raises(ColumnNotFound, match=r"^the table 'walks' has no column 'lenn'"):
            train(run, "walks", inputs="x0", target="last", sequence={"inputLength": "lenn"})


WORDS = {"good": 1.0, "fine": 0.8, "bad": -1.0, "poor": -0.9, "!": 0.0, "not": 0.1}


@pytest.fixture
def reviews(ctx: Context, run: Run) -> None:
    put(
        ctx,
        "vectors",
        {"term": list(WORDS), "v1": list(WORDS.values()), "v2": [0.0] * 5 + [1.0]},
    )
    texts = ["A good film!", "bad, poor.", "fine", "poor poor film", "Good !", "a bad one"] * 8
    labels = ["yes", "no", "yes", "no", "yes", "no"] * 8
    put(ctx, "reviews", {"text": texts, "label": labels})
    build(run, ENCODER)


def read(run: Run, **more: Any) -> Any:
    given: dict[str, Any] = {"inputs": "text", "texts": "text", "target": "label"}
    given["textParms"] = {"initInputEmbeddings": "vectors"}
    return train(run, "reviews", **{**given, **more})


@pytest.mark.usefixtures("reviews")
class TestTexts:
    def test_texts_are_learned_and_scored_from_the_weights_alone(
        self, run: Run, ctx: Context
    ) -> None:
        read(run)
        run("table.dropTable", name="vectors")
        put(ctx, "new", {"text": ["fine and good", "poor, very poor film, bad bad bad"]})
        score(run, "new")

        assert [row["_DL_PredName_"] for row in rows_of(ctx, "scored")] == ["yes", "no"]

    def test_other_embeddings_may_be_given_for_scoring(self, run: Run, ctx: Context) -> None:
        read(run)
        put(ctx, "words", {"term": ["bon", "mal"], "v1": [1.0, -1.0], "v2": [0.0, 0.0]})
        put(ctx, "new", {"text": ["bon", "mal mal mal"]})
        score(run, "new", textParms={"initInputEmbeddings": "words", "language": "FRENCH"})

        assert [row["_DL_PredName_"] for row in rows_of(ctx, "scored")] == ["yes", "no"]

    def test_ids_of_terms_are_not_read(self, run: Run, ctx: Context) -> None:
        put(ctx, "vectors", {"term": ["good"], "id": [7], "v1": [1.0]})
        read(run, textParms={"initEmbeddings": "vectors", "hasInputTermIds": True})
        header = ctx.weights.load(Name("w"))[1]

        schema: Any = header.schema
        assert schema["inputs"][0]["embeddings"]["size"] == 1

    def test_texts_without_embeddings_are_refused(self, run: Run) -> None:
        message = (
            r"^text 'text' got no embeddings, expected textParms with initInputEmbeddings: a table "
            r"of terms and their vectors$"
        )
        with pytest.raises(DataError, match=message):
            read(run, textParms={})

    def test_embeddings_are_terms_and_numbers(self, run: Run, ctx: Context) -> None:
        put(ctx, "vectors", {"term": ["good"], "v1": ["high"]})
        message = (
            r"^parameter 'textParms.initInputEmbeddings' got column 'v1' of type string, expected "
            r"terms in the first column and numbers in the others$"
        )
        with pytest.raises(InvalidParameters, match=message):
            read(run)


SPECS: list[dict[str, Any]] = [
    {"type": "NUMNOM", "layer": "data", "data": ["x", "c"], "nominals": "c"},
    {
        "type": "NUMERICNOMINAL",
        "layer": "steps",
        "data": ["s0", "s1"],
        "numNomParms": {"length": "len", "tokenSize": 1},
    },
    {"type": "NUMNOM", "layer": "kind", "data": ["y"], "dataLayer": "data"},
    {"type": "NUMNOM", "layer": "price", "data": ["z"], "lossScaleFactor": 0.5},
]


@pytest.fixture
def branches(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(4)
    x, s0, s1 = draw.normal(size=(3, 64))
    columns = {"x": x, "c": np.tile([0, 1], 32), "s0": s0, "s1": s1, "len": np.tile([1, 2], 32)}
    label = np.where(x > 0, "p", "n").tolist()
    put(ctx, "mixed", {**columns, "y": label, "z": x + s0})
    build(
        run,
        [
            DATA,
            {"name": "steps", "layer": {"type": "input"}},
            recurrent("steps"),
            {"name": "both", "layer": {"type": "fc", "n": 6}, "srcLayers": ["data", "code"]},
            {"name": "kind", "layer": {"type": "output"}, "srcLayers": "both"},
            {"name": "price", "layer": {"type": "output"}, "srcLayers": "both"},
        ],
    )


@pytest.mark.usefixtures("branches")
class TestSeveralLayers:
    def test_every_layer_has_its_data_and_its_scores(self, run: Run, ctx: Context) -> None:
        train(run, "mixed", dataSpecs=SPECS)
        found = facts(score(run, "mixed"))

        assert list(found) == [
            "Number of Observations Read",
            "Number of Observations Used",
            "Misclassification Error (%) (kind, 4)",
            "Mean Squared Error (price, 5)",
            "Loss Error",
        ]
        assert found["Misclassification Error (%) (kind, 4)"] < 15
        assert {"_DL_PredLevel4_", "_DL_PredP4_", "_DL_Pred5_"} <= set(rows_of(ctx, "scored")[0])

    def test_layers_without_specs_are_refused(self, run: Run) -> None:
        message = (
            r"^model 'net' has 2 input layers, 'data', 'steps'; expected dataSpecs that bind each "
            r"of them$"
        )
        with pytest.raises(DataError, match=message):
            train(run, "mixed", inputs="x", target="y")

    def test_specs_stand_in_place_of_inputs(self, run: Run) -> None:
        message = (
            r"^parameter 'inputs' got a value together with 'dataSpecs', expected it in the specs "
            r"of the layers$"
        )
        with pytest.raises(InvalidParameters, match=message):
            train(run, "mixed", dataSpecs=SPECS, inputs="x")

    def test_a_target_beside_specs_is_left_to_them_with_a_note(self, run: Run) -> None:
        answer = train(run, "mixed", dataSpecs=SPECS, target="z")

        notes = [each.text for each in answer.messages]
        assert "The parameter 'target' is left to the specs of the layers." in notes

    def test_a_text_to_predict_is_not_supported(self, run: Run) -> None:
        spec = {"type": "TEXT", "layer": "kind", "data": ["y"], "dataLayer": "data"}
        message = (
            r"^dataSpecs for layer 'kind' got type 'TEXT' for a task, which is not supported yet; "
            r"expected 'NUMERICNOMINAL'$"
        )
        with pytest.raises(NotSupportedError, match=message):
            train(run, "mixed", dataSpecs=[*SPECS[:2], spec, SPECS[3]])


def test_a_model_of_rows_takes_one_spec_per_layer(run: Run, ctx: Context) -> None:
    build(run, SMALL_DNN)
    put(ctx, "rows", {"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]})
    specs = [
        {"type": "NUMNOM", "layer": "data", "data": "a"},
        {"type": "NUMNOM", "layer": "out", "data": "b"},
    ]
    train(run, "rows", dataSpecs=specs)

    assert "Misclassification Error (%)" in facts(score(run, "rows"))
