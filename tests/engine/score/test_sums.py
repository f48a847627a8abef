import json
from typing import Any

import numpy as np
import pytest

from engine.data.columns import Columns
from engine.score.makers import REPORTS
from engine.score.scorer import Scorer
from engine.score.steps import IntervalStepsReport, LabelsReport, NominalStepsReport
from engine.score.sums import Sums
from tests.engine.networks import objects
from tests.engine.score.test_scorer import signs


class Inner(Sums):
    added = ("total",)

    def __init__(self, total: float) -> None:
        self.total = total


class Outer(Sums):
    added = ("rows", "inner", "counts", "held")

    def __init__(self, rows: int, inner: float, counts: list[int], held: list[Any]) -> None:
        self.rows = rows
        self.inner = Inner(inner)
        self.counts = np.array(counts, dtype=np.int64)
        self.held = [np.array(each) for each in held]


def test_numbers_arrays_lists_and_inner_sums_are_added() -> None:
    one = Outer(2, 0.1, [1, 2], [[[1.0, 2.0]]])
    other = Outer(3, 0.2, [10, 20], [[], [[3.0, 4.0], [5.0, 6.0]]])

    one.absorb(json.loads(json.dumps(other.state())))

    assert (one.rows, one.inner.total) == (5, 0.1 + 0.2)
    assert one.counts.tolist() == [11, 22]
    assert one.counts.dtype == np.int64
    assert np.concatenate(one.held).tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    "report",
    [
        *(each for each in REPORTS.values() if isinstance(each, type)),
        NominalStepsReport,
        IntervalStepsReport,
        LabelsReport,
    ],
)
def test_every_report_says_what_it_adds_up(report: Any) -> None:
    assert issubclass(report, Sums)
    assert report.added


def test_parts_scored_apart_add_up_to_the_summary_of_the_whole() -> None:
    columns: Columns = {
        "x": np.array([-2.0, 1.0, 0.5, -0.25, 3.0]),
        "y": objects("neg", "neg", "pos", "other", None),
    }
    model, schema = signs()
    whole, first, second = (Scorer(model, schema) for _ in range(3))

    list(whole.score([columns]))
    for scorer, rows in ((first, slice(0, 2)), (second, slice(2, 5))):
        list(scorer.score([{name: column[rows] for name, column in columns.items()}]))
    first.absorb(json.loads(json.dumps(second.state())))

    assert first.summary().facts == pytest.approx(whole.summary().facts)
    assert first.summary().classes == whole.summary().classes
    assert first.summary().warnings == whole.summary().warnings
    assert (first.rows_read, first.rows_used) == (whole.rows_read, whole.rows_used)
