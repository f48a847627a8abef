from io import BytesIO
from math import log
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.columns import Columns
from engine.data.schema import Schema, bound_graph
from engine.errors import DataError
from engine.graph.spec import Graph
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.score import held
from engine.score.scorer import ScoredBatch, Scorer
from engine.score.summary import ClassScore
from tests.engine.networks import Array, compiled, learned, network, objects

NAN = float("nan")


def set_weights(model: CompiledModel, weights: list[list[float]], biases: list[float]) -> None:
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), (weights, biases), strict=True):
            parameter.copy_(torch.tensor(values))


def signs(**request: Any) -> tuple[CompiledModel, Schema]:
    """Return a model that says p(pos) = 1 / (1 + exp(-x)): raw outputs -x/2 and x/2."""
    columns = {"x": np.array([-1.0, 1.0]), "y": objects("neg", "pos")}
    graph = network()
    schema = learned(graph, columns, **request)
    model = compiled(graph, schema)
    set_weights(model, [[-0.5, 0.5]], [0.0, 0.0])
    return model, schema


def scored(scorer: Scorer, *batches: Columns) -> list[ScoredBatch]:
    return list(scorer.score(batches))


def chance(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


TABLE: Columns = {"x": np.array([2.0, -1.0, 3.0]), "y": objects("pos", "neg", "neg")}


def test_levels_are_scored_with_probabilities_and_names() -> None:
    columns = scored(Scorer(*signs()), TABLE)[0].columns

    assert list(columns) == ["P_yneg", "P_ypos", "I_y", "_DL_PredP_", "_DL_PredLevel_"]
    np.testing.assert_allclose(columns["P_ypos"], [chance(x) for x in (2, -1, 3)], rtol=1e-6)
    assert columns["I_y"].tolist() == ["pos", "neg", "pos"]
    np.testing.assert_allclose(columns["_DL_PredP_"], [chance(x) for x in (2, 1, 3)], rtol=1e-6)


def test_plain_names_are_scored_too() -> None:
    columns = scored(Scorer(*signs(), encode_name=False, top_probs=1), TABLE)[0].columns
    assert columns["_DL_PredName_"].tolist() == ["pos", "neg", "pos"]
    assert columns["_DL_TOP_Missit_"].tolist() == [0.0, 0.0, 1.0]


def test_score_info_counts_errors_in_percent_and_averages_the_loss() -> None:
    scorer = Scorer(*signs(), top_probs=2)
    scored(scorer, TABLE)
    summary = scorer.summary()

    # right, right, wrong; losses -ln p of the true level
    losses = [-log(chance(2)), -log(chance(1)), -log(chance(-3))]
    assert summary.misclassification == pytest.approx(100 / 3)
    assert summary.facts["Top 2 Misclassification Error (%)"] == 0.0
    assert summary.loss == pytest.approx(sum(losses) / 3, rel=1e-6)
    assert (summary.rows_read, summary.rows_used, summary.mse) == (3, 3, None)
    assert summary.warnings == ()


def test_every_level_has_its_own_score() -> None:
    scorer = Scorer(*signs())
    scored(scorer, TABLE)
    # neg: 2 rows, 1 right, predicted once: 1 / (2 + 1 - 1); pos: 1 row, right, predicted twice
    assert scorer.summary().classes == (
        ClassScore(0, "neg", 2, 1, 0.5, 0.5),
        ClassScore(1, "pos", 1, 1, 1.0, 0.5),
    )


def test_a_level_that_never_occurs_has_no_accuracy() -> None:
    scorer = Scorer(*signs())
    scored(scorer, {"x": np.array([1.0]), "y": objects("pos")})
    assert scorer.summary().classes[0] == ClassScore(0, "neg", 0, 0, None, None)


def test_a_table_without_the_target_has_scores_and_no_errors() -> None:
    scorer = Scorer(*signs(), top_probs=1)
    batch = scored(scorer, {"x": np.array([2.0])})[0]
    summary = scorer.summary()

    assert batch.columns["I_y"].tolist() == ["pos"]
    assert np.isnan(batch.columns["_DL_TOP_Missit_"]).all()
    assert summary.facts == {}
    assert summary.classes == ()


def test_missing_targets_are_scored_and_left_out_of_the_errors() -> None:
    scorer = Scorer(*signs())
    batch = scored(scorer, {"x": np.array([2.0, 2.0]), "y": objects(None, "pos")})[0]
    summary = scorer.summary()
    assert batch.columns["I_y"].tolist() == ["pos", "pos"]
    assert (summary.misclassification, summary.rows_used) == (0.0, 2)


def test_a_target_level_training_did_not_see_is_wrong_and_warned_of() -> None:
    scorer = Scorer(*signs())
    scored(scorer, {"x": np.array([2.0, 2.0]), "y": objects("maybe", "pos")})
    summary = scorer.summary()

    assert summary.misclassification == 50.0
    assert summary.loss == pytest.approx(-log(chance(2)), rel=1e-6)
    assert summary.warnings == (
        "column 'y' has 1 values that training did not see; they count as wrong and have no loss",
    )


def test_an_input_level_training_did_not_see_is_warned_of() -> None:
    columns = {"c": objects("u", "v"), "y": objects("n", "p")}
    schema = learned(network(), columns)
    scorer = Scorer(compiled(network(), schema), schema)
    scored(scorer, {"c": objects("w", "u", "z")})
    assert scorer.summary().warnings == (
        "column 'c' has 2 values that training did not see; they are encoded as zeros",
    )


def test_rows_that_cannot_be_used_get_missing_scores() -> None:
    scorer = Scorer(*signs(missing="NONE"))
    batch = scored(scorer, {"x": np.array([NAN, 2.0]), "y": objects("pos", "pos")})[0]

    assert batch.used.tolist() == [False, True]
    assert batch.columns["I_y"].tolist() == [None, "pos"]
    assert np.isnan(batch.columns["P_ypos"]).tolist() == [True, False]
    assert (scorer.summary().rows_read, scorer.summary().rows_used) == (2, 1)


def test_a_batch_without_a_usable_row_is_all_missing() -> None:
    scorer = Scorer(*signs(missing="NONE"))
    batch = scored(scorer, {"x": np.array([NAN]), "y": objects("pos")})[0]
    assert batch.rows == 1
    assert batch.columns["I_y"].tolist() == [None]


@pytest.mark.parametrize("many_values", [1, 6, 1000])
def test_neighbouring_parts_are_reported_together(
    many_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of two rows: the third and fourth cannot be used, two raw outputs for each other."""
    monkeypatch.setattr(held, "MANY_VALUES", many_values)
    numbers = np.array([2.0, -1.0, NAN, NAN, 3.0, 1.0, NAN])
    table = {"x": numbers, "y": objects("pos", "neg", "pos", "neg", "neg", "pos", "pos")}
    scorer = Scorer(*signs(missing="NONE"), batch_rows=2)

    (batch,) = scored(scorer, table)

    used = [True, True, False, False, True, True, False]
    assert batch.used.tolist() == used
    expected = [chance(x) if use else NAN for x, use in zip(numbers, used, strict=True)]
    np.testing.assert_allclose(batch.columns["P_ypos"], expected, rtol=1e-6)
    summary = scorer.summary()
    assert (summary.rows_read, summary.rows_used) == (7, 4)
    assert summary.misclassification == 25.0  # of four rows one, whose 3 is called neg


def test_levels_of_whole_numbers_are_named_without_a_fraction() -> None:
    columns = {"x": np.array([-1.0, 1.0]), "y": np.array([3.0, 4.0])}
    schema = learned(network(), columns, nominals=("y",))
    scorer = Scorer(compiled(network(), schema), schema)
    batch = scored(scorer, {"x": np.array([0.5])})[0]
    assert list(batch.columns)[:2] == ["P_y3", "P_y4"]
    assert batch.columns["I_y"][0] in ("3", "4")


def lines(output: Output) -> tuple[CompiledModel, Schema]:
    """Return a model with raw outputs x and 2x, of the targets u in 0..10 and v in 0..100."""
    columns = {"x": np.zeros(2), "u": np.array([0.0, 10.0]), "v": np.array([0.0, 100.0])}
    graph = network(output=output)
    schema = learned(graph, columns, target=("u", "v"))
    model = compiled(graph, schema)
    set_weights(model, [[1.0, 2.0]], [0.0, 0.0])
    return model, schema


def test_numbers_are_scored_with_their_mean_squared_error() -> None:
    scorer = Scorer(*lines(Output()))
    table = {"x": np.array([1.0, 2.0]), "u": np.array([2.0, 2.0]), "v": np.array([5.0, 4.0])}
    columns = scored(scorer, table)[0].columns
    summary = scorer.summary()

    assert columns["P_u"].tolist() == [1.0, 2.0]
    assert columns["P_v"].tolist() == [2.0, 4.0]
    # squared errors 1 and 9 in the first row, none in the second: (5 + 0) / 2
    assert (summary.mse, summary.loss) == (2.5, 1.25)
    assert (summary.misclassification, summary.classes) == (None, ())


def test_standardised_targets_are_scored_in_their_own_units() -> None:
    # midranges 5 and 50, half ranges 5 and 50: u = 5 + 5 x, v = 50 + 50 (2x)
    scorer = Scorer(*lines(Output(target_std="MIDRANGE")), encode_name=False)
    table = {"x": np.array([1.0]), "u": np.array([9.0]), "v": np.array([150.0])}
    columns = scored(scorer, table)[0].columns
    summary = scorer.summary()

    assert columns["_DL_Pred0_"].tolist() == [10.0]
    assert columns["_DL_Pred1_"].tolist() == [150.0]
    # u is 1 off, v is right: (1 + 0) / 2; the loss is in scaled units: (1/5)^2 / 2 / 2
    assert summary.mse == pytest.approx(0.5, rel=1e-5)
    assert summary.loss == pytest.approx(0.01, rel=1e-5)


def test_rows_with_a_missing_number_are_left_out_of_the_errors() -> None:
    scorer = Scorer(*lines(Output()))
    table = {"x": np.array([1.0, 1.0]), "u": np.array([NAN, 1.0]), "v": np.array([2.0, 4.0])}
    scored(scorer, table)
    # the second row: (0 + 4) / 2
    assert scorer.summary().mse == 2.0


def picture(rng: np.random.Generator) -> bytes:
    out = BytesIO()
    Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def pictures() -> tuple[CompiledModel, Schema, Columns]:
    rng = np.random.default_rng(2)
    columns = {
        "_image_": objects(*(picture(rng) for _ in range(9))),
        "y": objects(*"abcabcabc"),
    }
    graph = (
        Graph("net")
        .add("data", Input(n_channels=3, width=5, height=6, scale=1 / 255))
        .add("conv", Convolution(n_filters=4, width=3), ["data"])
        .add("bn", BatchNormalization(), ["conv"])
        .add("out", Output(), ["bn"])
    )
    schema = learned(graph, columns)
    generator = torch.Generator().manual_seed(3)
    bound = bound_graph(schema, graph)
    model = compile_graph(bound, schema.options, generator=generator, outputs=["conv", "out"])
    return model, schema, columns


def test_a_row_scores_the_same_whatever_its_batch() -> None:
    model, schema, columns = pictures()
    whole = scored(Scorer(model, schema), columns)[0].columns["P_yb"]

    def one_by_one(batch_rows: int) -> Array:
        rows = [{name: column[r : r + 2] for name, column in columns.items()} for r in range(8)]
        batches = scored(Scorer(model, schema, batch_rows=batch_rows), *rows)
        return np.array([batch.columns["P_yb"][0] for batch in batches])

    np.testing.assert_allclose(one_by_one(1), whole[:8], rtol=1e-5)
    np.testing.assert_allclose(one_by_one(2), whole[:8], rtol=1e-5)


def test_as_many_rows_are_scored_at_a_time_as_the_widest_layer_allows() -> None:
    model, schema = signs()
    assert Scorer(model, schema).rows_at_a_time == 8192
    assert Scorer(model, schema, batch_rows=7).rows_at_a_time == 7

    # 1048576 values for the widest layer: 400 neurons leave room for 2621 rows, 8192 are 4 parts
    wide = network(hidden=400)
    assert Scorer(compiled(wide, schema), schema).rows_at_a_time == 2048
    assert Scorer(compiled(wide, schema), schema, batch_rows=2622).rows_at_a_time == 1311


def test_layer_outputs_come_beside_the_scores() -> None:
    model, schema, columns = pictures()
    scorer = Scorer(model, schema, layers=("conv", "OUT"))
    batch = scored(scorer, columns)[0]

    names = [column.name for column in scorer.layer_columns]
    assert (names[0], names[119], names[120:]) == (
        "_LayerAct_1_0_0_0_",
        "_LayerAct_1_5_4_3_",
        ["_LayerAct_3_0_0_0_", "_LayerAct_3_0_0_1_", "_LayerAct_3_0_0_2_"],
    )
    assert list(batch.layers) == names
    # the output layer's own output is its probabilities
    np.testing.assert_array_equal(batch.layers["_LayerAct_3_0_0_1_"], batch.columns["P_yb"])


def test_a_picture_that_is_missing_gets_missing_scores() -> None:
    model, schema, columns = pictures()
    batch = scored(Scorer(model, schema), {"_image_": objects(None, columns["_image_"][0])})[0]
    assert batch.used.tolist() == [False, True]


def test_a_row_that_cannot_be_read_is_named_across_batches() -> None:
    model, schema, columns = pictures()
    bad = {"_image_": objects(columns["_image_"][0], b"x")}
    with pytest.raises(DataError, match=r"^column '_image_', row 10 got 1 bytes that are no re"):
        scored(Scorer(model, schema, batch_rows=1), columns, bad)


def test_scores_of_a_standardised_input_use_the_statistics_of_training() -> None:
    # training midrange 5, half range 5; x = 10 becomes 1 although it is alone in its table
    columns = {"x": np.array([0.0, 10.0]), "y": np.array([0.0, 1.0])}
    graph = network(source=Input(std="MIDRANGE"))
    schema = learned(graph, columns)
    model = compiled(graph, schema)
    set_weights(model, [[3.0]], [0.5])
    batch = scored(Scorer(model, schema), {"x": np.array([10.0])})[0]
    assert batch.columns["P_y"].tolist() == [3.5]
