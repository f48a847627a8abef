from typing import Any

import pytest

from actions.context import Context
from actions.errors import InvalidParameters
from tests.actions.house import Run, put, rows_of

COLUMNS = {
    "x": [1.0, None, 4.0, 10.0],
    "n": [None, 7, 7, 9],
    "s": ["b", "a", " ", "b"],
    "it's": [None, None, None, None],
}
OUT = {"name": "out", "replace": True}


@pytest.fixture(autouse=True)
def table(ctx: Context) -> None:
    put(ctx, "t", COLUMNS)


@pytest.mark.parametrize(
    ("method", "x"),
    [("MEAN", 5.0), ("MEDIAN", 4.0), ("MIDRANGE", 5.5), ("MIN", 1.0), ("MAX", 10.0)],
)
def test_missing_numbers_become_what_the_method_says(
    run: Run, ctx: Context, method: str, x: float
) -> None:
    run("dataPreprocess.impute", table="t", inputs="x", methodContinuous=method, casOut=OUT)

    assert [row["IMP_x"] for row in rows_of(ctx, "out")] == [1.0, x, 4.0, 10.0]


def test_missing_text_becomes_the_most_frequent_and_all_columns_may_be_copied(
    run: Run, ctx: Context
) -> None:
    answer = run(
        "dataPreprocess.impute", table="t", inputs=["n", "s"], copyAllVars=True, casOut=OUT
    )

    rows = rows_of(ctx, "out")
    assert list(rows[0]) == ["x", "n", "s", "it's", "IMP_n", "IMP_s"]
    assert [row["IMP_s"] for row in rows] == ["b", "a", "b", "b"]
    assert rows[0]["IMP_n"] == pytest.approx(23 / 3)
    first, second = answer.tables["ImputeInfo"].rows
    assert first[:5] == ("n", "Mean", "IMP_n", 3.0, 1.0)
    assert first[5] == pytest.approx(23 / 3)
    assert second == ("s", "Mode", "IMP_s", 3.0, 1.0, None, "b")


@pytest.mark.parametrize("values", [[0, -1.5], [-1.5]])
def test_values_may_be_given_for_each_column_or_for_all(
    run: Run, ctx: Context, values: list[float]
) -> None:
    run(
        "dataPreprocess.impute",
        table="t",
        inputs=["n", "s", "x"],
        valuesContinuous=values,
        valuesNominal="it's",
        outVarsNamePrefix="full",
        copyVars="n",
        casOut=OUT,
    )

    rows = rows_of(ctx, "out")
    assert list(rows[0]) == ["n", "full_n", "full_s", "full_x"]
    assert (rows[0]["full_n"], rows[1]["full_x"], rows[2]["full_s"]) == (values[0], -1.5, "it's")


def test_a_column_without_values_stays_missing(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1.0, 2.0], "it's": ["", None]})

    run("dataPreprocess.impute", table="t", inputs="it's", copyVars="x", casOut=OUT)

    assert [row["IMP_it's"] for row in rows_of(ctx, "out")] == [None, None]


def test_rows_are_chosen_and_columns_computed_before(run: Run, ctx: Context) -> None:
    ref: dict[str, Any] = {"name": "t", "where": "n = 7", "computedVarsProgram": "y = x * 2;"}

    for computed in ({}, {"computedVars": "y"}):
        run("dataPreprocess.impute", table={**ref, **computed}, inputs="y", casOut=OUT)

        assert rows_of(ctx, "out") == [{"IMP_y": 8.0}, {"IMP_y": 8.0}]


def test_without_a_table_the_values_are_only_told(run: Run) -> None:
    answer = run("dataPreprocess.impute", table="t", inputs="x")

    assert list(answer.tables) == ["ImputeInfo"]
    assert answer.tables["ImputeInfo"].rows == (("x", "Mean", "IMP_x", 3.0, 1.0, 5.0, ""),)


def test_there_is_one_value_or_one_for_each_column(run: Run) -> None:
    message = r"^parameter 'valuesContinuous' got 3 values, expected 1 or 2, one for each of x, n$"
    with pytest.raises(InvalidParameters, match=message):
        run("dataPreprocess.impute", table="t", inputs=["x", "n"], valuesContinuous=[1, 2, 3])
