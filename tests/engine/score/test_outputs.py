import re

import numpy as np
import pytest

from engine.data.encode import ABSENT, UNSEEN
from engine.data.variables import Interval, IntervalTarget, NominalTarget, TargetSpec
from engine.errors import DataError
from engine.layers.output import Output
from engine.score.makers import make_report
from engine.score.outputs import (
    IntervalOutput,
    NominalOutput,
    OutputColumn,
    encoded,
    layer_columns,
    unique,
)
from engine.score.reports import ReportRequest

SPECIES = NominalTarget(layer="out", name="Species", levels=("a b", "c", "d"))
HEIGHT = IntervalTarget(layer="out", variables=(Interval(name="height", missing=0.0),))
CORNERS = IntervalTarget(
    layer="out",
    variables=(Interval(name="x", missing=0.0), Interval(name="y", missing=0.0)),
)
PROBABILITIES = np.array([[0.2, 0.7, 0.1], [0.4, 0.2, 0.4]])


def names(target: TargetSpec, *, encode_name: bool, top_probs: int | None = None) -> list[str]:
    return [column.name for column in columns(target, encode_name, top_probs)]


def columns(
    target: TargetSpec,
    encode_name: bool = True,  # noqa: FBT001, FBT002 - as the option
    top_probs: int | None = None,
    suffix: str = "",
) -> tuple[OutputColumn, ...]:
    task = Output().bind(target.target).task()
    return make_report(ReportRequest(task, target, encode_name, top_probs, suffix)).columns


def layout(*, encode_name: bool = True, top_probs: int | None = None) -> NominalOutput:
    return NominalOutput(SPECIES, encode_name=encode_name, top_probs=top_probs)


def test_encoded_names_are_made_of_target_and_level() -> None:
    assert names(SPECIES, encode_name=True) == [
        "P_Speciesa_b",
        "P_Speciesc",
        "P_Speciesd",
        "I_Species",
        "_DL_PredP_",
        "_DL_PredLevel_",
    ]


def test_plain_names_are_made_of_positions() -> None:
    # two levels give five columns, as in the scored table of the Yelp notebook
    two = NominalTarget(layer="out", name="y", levels=("n", "p"))
    assert names(two, encode_name=False) == [
        "_DL_P0_",
        "_DL_P1_",
        "_DL_PredName_",
        "_DL_PredP_",
        "_DL_PredLevel_",
    ]


def test_interval_targets_are_named_by_variable_or_by_position() -> None:
    assert names(HEIGHT, encode_name=True) == ["P_height"]
    assert names(HEIGHT, encode_name=False) == ["_DL_Pred_"]
    assert names(CORNERS, encode_name=True) == ["P_x", "P_y"]
    assert names(CORNERS, encode_name=False) == ["_DL_Pred0_", "_DL_Pred1_"]


def test_the_likeliest_level_is_written_with_its_probability() -> None:
    written = layout().write(PROBABILITIES, None)

    assert written["I_Species"].tolist() == ["c", "a b"]
    assert written["_DL_PredP_"].tolist() == [0.7, 0.4]
    assert written["_DL_PredLevel_"].tolist() == [1.0, 0.0]
    assert written["P_Speciesd"].tolist() == [0.1, 0.4]


def test_the_best_levels_come_in_order_and_ties_by_level() -> None:
    best = layout(encode_name=False, top_probs=2)
    written = best.write(PROBABILITIES, np.array([2, 2]))

    assert [column.name for column in best.columns][5:] == [
        "_DL_PredLevel_",
        "_DL_TOP_PredName0_",
        "_DL_TOP_P0_",
        "_DL_TOP_PredName1_",
        "_DL_TOP_P1_",
        "_DL_TOP_Missit_",
    ]
    assert written["_DL_TOP_PredName0_"].tolist() == ["c", "a b"]
    assert written["_DL_TOP_PredName1_"].tolist() == ["a b", "d"]
    assert written["_DL_TOP_P1_"].tolist() == [0.2, 0.4]
    assert written["_DL_TOP_Missit_"].tolist() == [1.0, 0.0]


def test_a_miss_is_missing_where_the_truth_is() -> None:
    best = layout(top_probs=1)

    unknown = best.write(PROBABILITIES, None)["_DL_TOP_Missit_"]
    partly = best.write(PROBABILITIES, np.array([ABSENT, UNSEEN]))["_DL_TOP_Missit_"]

    assert np.isnan(unknown).all()
    np.testing.assert_array_equal(partly, [np.nan, 1.0])


def test_no_more_best_levels_are_written_than_there_are() -> None:
    found = names(SPECIES, encode_name=True, top_probs=9)
    assert "_DL_TOP_P2_" in found
    assert "_DL_TOP_P3_" not in found


def test_neurons_beyond_the_levels_are_left_out() -> None:
    spare = np.array([[0.2, 0.3, 0.1, 0.4]])
    written = layout().write(spare, None)
    assert written["_DL_PredLevel_"].tolist() == [1.0]


def test_values_are_written_variable_by_variable() -> None:
    written = IntervalOutput(CORNERS, encode_name=True).write(np.array([[1.0, 2.0]]))
    assert {name: cells.tolist() for name, cells in written.items()} == {"P_x": [1.0], "P_y": [2.0]}


def test_columns_carry_their_type_and_a_label() -> None:
    found = columns(SPECIES)
    assert found[0] == OutputColumn("P_Speciesa_b", "double", "Predicted: Species=a b")
    assert found[3] == OutputColumn("I_Species", "string", "Into: Species")
    assert columns(HEIGHT) == (OutputColumn("P_height", "double", "Predicted: height"),)


def test_names_that_meet_after_encoding_are_counted() -> None:
    assert encoded("P_y1.5-x") == "P_y1_5_x"
    assert unique(["P_ya_b", "P_ya_B", "P_yc"]) == ["P_ya_b", "P_ya_B_2", "P_yc"]


@pytest.mark.parametrize(
    ("target", "top", "message"),
    [
        (SPECIES, 0, "topProbs got 0, expected at least 1"),
        (
            HEIGHT,
            3,
            ("topProbs got 3 but target 'height' is an interval variable, expected a nominal one"),
        ),
    ],
)
def test_best_levels_need_levels(target: TargetSpec, top: int, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        columns(target, top_probs=top)


def test_plain_names_of_several_task_layers_carry_their_ids() -> None:
    found = columns(SPECIES, encode_name=False, top_probs=1, suffix="7")
    assert [column.name for column in found] == [
        "_DL_P7_0_",
        "_DL_P7_1_",
        "_DL_P7_2_",
        "_DL_PredName7_",
        "_DL_PredP7_",
        "_DL_PredLevel7_",
        "_DL_TOP_PredName7_0_",
        "_DL_TOP_P7_0_",
        "_DL_TOP_Missit7_",
    ]
    values = columns(CORNERS, encode_name=False, suffix="7")
    assert [column.name for column in values] == ["_DL_Pred7_0_", "_DL_Pred7_1_"]


def test_layer_outputs_are_named_by_layer_row_column_and_map() -> None:
    assert [column.name for column in layer_columns(3, (2, 1, 2))] == [
        "_LayerAct_3_0_0_0_",
        "_LayerAct_3_0_1_0_",
        "_LayerAct_3_0_0_1_",
        "_LayerAct_3_0_1_1_",
    ]


def test_neurons_of_a_layer_lie_at_row_and_column_zero() -> None:
    # _LayerAct_53_0_0_3_ is the fourth neuron of layer 53
    assert layer_columns(53, (4,))[3].name == "_LayerAct_53_0_0_3_"
