import numpy as np
import pytest
import torch

from engine.data.variables import Interval, IntervalTarget, NoTarget
from engine.losses import Target
from engine.score.makers import make_report
from engine.score.reports import ReportRequest
from engine.tasks.clustering import Cluster
from engine.tasks.embedding import Contrastive, Margins
from engine.tasks.survival import Cox

NONE = NoTarget(layer="it")
PAIR = IntervalTarget(layer="it", variables=(Interval(name="same", missing=None),))
TIMES = IntervalTarget(
    layer="it",
    variables=(Interval(name="time", missing=None), Interval(name="event", missing=None)),
)


def test_a_pair_is_scored_by_its_distance() -> None:
    made = make_report(ReportRequest(Contrastive(PAIR.target, 2.0), PAIR, shape=(1,)))
    values = made.add(torch.tensor([[0.5], [1.0]]), torch.tensor([[1.0], [0.0]]))

    assert [column.name for column in made.columns] == ["_DL_Pred_"]
    assert values["_DL_Pred_"].tolist() == [0.5, 1.0]
    assert made.findings().facts == pytest.approx({"Mean Absolute Error": 0.75})
    assert made.findings().loss == pytest.approx((0.125 + 0.5) / 2)


def test_a_triplet_is_scored_below_zero_without_any_target() -> None:
    task = Margins(NONE.target, 1.0)
    made = make_report(ReportRequest(task, NONE, suffix="4", shape=(2,)))
    values = made.add(torch.tensor([[1.0, 2.0]]), torch.empty(1, 0))

    assert list(values) == ["_DL_Pred4_0_", "_DL_Pred4_1_"]
    assert made.findings().loss == -2.0
    assert made.findings().facts == {"Mean Absolute Error": 0.0}


def test_clusters_are_written_as_levels_are() -> None:
    task = Cluster(NONE.target, 2)
    made = make_report(ReportRequest(task, NONE, shape=(2,)))
    q = torch.tensor([[0.25, 0.75]])
    values = made.add(q, torch.empty(1, 0))

    assert {name: cells.tolist() for name, cells in values.items()} == {
        "_DL_P0_": [0.25],
        "_DL_P1_": [0.75],
        "_DL_PredName_": ["1"],
        "_DL_PredP_": [0.75],
        "_DL_PredLevel_": [1.0],
    }
    assert made.findings().facts == {}
    assert made.findings().loss == pytest.approx(task.loss(q, q).item(), abs=1e-6)
    several = make_report(ReportRequest(task, NONE, suffix="3", shape=(2,)))
    assert several.columns[0].name == "_DL_P3_0_"


def test_survival_is_summed_up_over_the_whole_table() -> None:
    task = Cox(TIMES.target)
    raw = torch.tensor([[0.5], [1.0], [0.0], [9.0]])
    truth = torch.tensor([[2.0, 1.0], [1.0, 1.0], [3.0, 0.0], [float("nan"), 1.0]])
    made = make_report(ReportRequest(task, TIMES, shape=(1,)))
    for row in range(4):
        values = made.add(raw[row : row + 1], truth[row : row + 1])

    findings = made.findings()
    at_risk = np.exp([0.5, 0.0]).sum()
    first = 1 / (at_risk + np.exp(1.0))
    assert values["_DL_Pred_"].tolist() == [9.0]
    assert findings.loss == pytest.approx(task.loss(raw[:3], truth[:3]).mean().item())
    table = findings.tables["CumHazard"]
    assert table.columns == (("Time", "double"), ("CumHaz", "double"))
    assert [row[0] for row in table.rows] == [1.0, 2.0]
    assert [row[1] for row in table.rows] == pytest.approx([first, first + 1 / at_risk])


def test_without_times_there_is_no_loss() -> None:
    made = make_report(ReportRequest(Cox(TIMES.target), TIMES, shape=(1,)))
    made.add(torch.zeros(1, 1), None)
    assert (made.findings().loss, made.findings().tables) == (None, {})


def test_kinds_of_targets_are_what_layers_are_bound_to() -> None:
    assert NONE.target == Target("none", 0)
    assert NONE.names == ()
