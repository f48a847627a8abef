import numpy as np
import pytest

from actions.context import Context
from actions.errors import InvalidParameters
from tests.actions.house import Run, put


@pytest.fixture(autouse=True)
def rows(ctx: Context) -> None:
    put(ctx, "t", {"x": [1.0, None, 4.0], "s": ["a", None, ""], "g": [1, 1, 2]})


def test_values_are_counted_of_numbers_and_text(run: Run) -> None:
    for agg, expected in (("n", (("x", 2.0), ("s", 1.0))), ("nmiss", (("x", 1.0), ("s", 2.0)))):
        answer = run(
            "aggregation.aggregate", table="t", varSpecs=[{"names": ["x", "s"], "agg": agg}]
        )

        assert answer.tables["Aggregate"].rows == expected


def test_groups_have_tables_of_their_own(run: Run) -> None:
    table = {"name": "t", "groupBy": "g"}

    answer = run("aggregation.aggregate", table=table, varSpecs=[{"name": "x", "agg": "SUM"}])

    assert answer.tables["ByGroup1.Aggregate"].rows == (("x", 1.0),)
    assert answer.tables["ByGroup2.Aggregate"].rows == (("x", 4.0),)


def test_everything_is_computed_unless_said(run: Run) -> None:
    (row,) = run("aggregation.aggregate", table="t", varSpecs="x").tables["Aggregate"].records()

    values = np.array([1.0, 4.0])
    assert row == {
        "Column": "x",
        "N": 2.0,
        "NMiss": 1.0,
        "Min": 1.0,
        "Max": 4.0,
        "Mean": 2.5,
        "Sum": 5.0,
        "Std": pytest.approx(values.std(ddof=1)),
        "Var": pytest.approx(values.var(ddof=1)),
        "CSS": pytest.approx(4.5),
        "USS": 17.0,
        "StdErr": pytest.approx(values.std(ddof=1) / 2**0.5),
    }


def test_several_specifications_have_tables_of_their_own(run: Run) -> None:
    specs = [{"name": "x", "agg": "N"}, {"name": "x", "agg": "MAX"}]

    answer = run("aggregation.aggregate", table="t", varSpecs=specs)

    assert [table.rows for table in answer.tables.values()] == [(("x", 2.0),), (("x", 4.0),)]


def test_sums_of_text_are_refused(run: Run) -> None:
    message = (
        r"^parameter 'inputs' got the column 's', which holds text, expected columns of numbers"
    )
    with pytest.raises(InvalidParameters, match=message):
        run("aggregation.aggregate", table="t", varSpecs=[{"name": "s", "agg": "SUM"}])
