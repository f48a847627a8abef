from typing import Any

import pandas as pd
import pytest
from scipy import stats

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidParameters, TableExists
from actions.memory import MemoryStores
from tests.actions.house import Run, nothing_changes, put, rows_of


@pytest.mark.usefixtures("data")
class TestAgainstPandasAndScipy:
    def test_every_statistic_of_every_numeric_column(self, run: Run, frame: pd.DataFrame) -> None:
        rows = run("simple.summary", table="data").tables["Summary"].records()

        assert [row["Column"] for row in rows] == ["x", "n", "y"]
        for row in rows:
            values = frame[row["Column"]].dropna()
            tested = stats.ttest_1samp(values, 0)
            expected = {
                "Min": values.min(),
                "Max": values.max(),
                "N": len(values),
                "NMiss": 60 - len(values),
                "Mean": values.mean(),
                "Sum": values.sum(),
                "Std": values.std(),
                "StdErr": stats.sem(values),
                "Var": values.var(),
                "USS": (values**2).sum(),
                "CSS": ((values - values.mean()) ** 2).sum(),
                "CV": 100 * values.std() / values.mean(),
                "TValue": tested.statistic,
                "ProbT": tested.pvalue,
                "Skewness": stats.skew(values, bias=False),
                "Kurtosis": stats.kurtosis(values, bias=False),
            }
            assert row == {
                "Column": row["Column"],
                **{k: pytest.approx(v) for k, v in expected.items()},
            }

    def test_groups_have_tables_of_their_own(self, run: Run, frame: pd.DataFrame) -> None:
        table = {"name": "data", "groupBy": ["name"]}

        answer = run("simple.summary", table=table, inputs="x", subSet=["mean", "n"])

        assert list(answer.tables) == ["ByGroupInfo", *(f"ByGroup{i}.Summary" for i in range(1, 5))]
        means = frame.fillna({"name": ""}).groupby("name")["x"].mean()
        for place, (name, mean) in enumerate(means.items(), start=1):
            part = answer.tables[f"ByGroup{place}.Summary"]
            assert part.attributes == {
                "ByGroup": f"name={name}",
                "ByVar1": "name",
                "ByVar1Value": name,
                "ByVar1ValueFormatted": name,
            }
            assert part.records()[0]["Mean"] == pytest.approx(mean)

    def test_groups_may_be_of_several_columns(self, run: Run, frame: pd.DataFrame) -> None:
        table = {"name": "data", "groupBy": ["n", "name"], "where": "name = 'ant' and n > 3"}

        answer = run("simple.summary", table=table, inputs="y")

        info = answer.tables["ByGroupInfo"].records()
        expected = frame[(frame["name"] == "ant") & (frame["n"] > 3)].groupby(["n", "name"])["y"]
        keys: list[Any] = list(expected.groups)
        assert [(row["n"], row["n_f"], row["name"]) for row in info] == [
            (n, str(n), name) for n, name in keys
        ]
        facts = answer.tables["ByGroup1.Summary"].attributes
        assert (facts["ByVar1Value"], facts["ByVar2Value"]) == keys[0]
        assert answer.tables["ByGroup1.Summary"].records()[0]["Sum"] == pytest.approx(
            expected.sum().iloc[0]
        )

    def test_statistics_are_stored_as_a_table(self, run: Run, ctx: Context) -> None:
        table = {"name": "data", "groupBy": "n", "where": "n <= 1"}

        answer = run(
            "simple.summary", table=table, inputs="n", subSet="max", casOut={"name": "out"}
        )

        assert list(answer.tables) == ["OutputCasTables"]
        assert rows_of(ctx, "out") == [
            {"n": 0, "n_f": "0", "_Column_": "n", "_Max_": 0.0},
            {"n": 1, "n_f": "1", "_Column_": "n", "_Max_": 1.0},
        ]

    @pytest.mark.parametrize(
        ("raw", "error", "message"),
        [
            (
                {"table": "data", "inputs": "name"},
                InvalidParameters,
                (
                    r"^parameter 'inputs' got the column 'name', which holds text, expected "
                    r"columns of numbers: x, n, y$"
                ),
            ),
            (
                {"table": "data", "inputs": "xx"},
                ColumnNotFound,
                r"^the table 'data' has no column 'xx'; did you mean 'x'\?$",
            ),
            (
                {"table": {"name": "data", "groupBy": "nam"}},
                ColumnNotFound,
                r"^the table 'data' has no column 'nam'; did you mean 'name'\?$",
            ),
            (
                {"table": {"name": "data", "vars": "name"}},
                InvalidParameters,
                r"^the table 'data' got no column of numbers, expected at least one$",
            ),
            (
                {"table": "data", "subSet": "meen"},
                InvalidParameters,
                r"^parameter 'subSet' got 'meen', expected one of MIN, .*; did you mean 'MEAN'",
            ),
            (
                {"table": "data", "casOut": "data"},
                TableExists,
                r"^the table 'data' exists in caslib 'CASUSER'; set replace to overwrite it$",
            ),
        ],
    )
    def test_what_is_wrong_is_named(
        self,
        run: Run,
        stores: MemoryStores,
        raw: dict[str, object],
        error: type[Exception],
        message: str,
    ) -> None:
        with nothing_changes(stores), pytest.raises(error, match=message):
            run("simple.summary", **raw)


def test_values_without_spread_have_no_shape(run: Run, ctx: Context) -> None:
    put(ctx, "flat", {"one": [5.0], "same": [3.0]})

    one = run("simple.summary", table="flat", inputs="one").tables["Summary"].records()[0]

    assert (one["Mean"], one["N"], one["CSS"]) == (5.0, 1.0, 0.0)
    assert one["Std"] is one["TValue"] is one["ProbT"] is one["Skewness"] is one["Kurtosis"] is None


def test_no_rows_have_counts_and_nothing_else(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1.0]})

    (row,) = (
        run("simple.summary", table={"name": "t", "where": "x > 9"}).tables["Summary"].records()
    )

    assert (row.pop("Column"), row.pop("N"), row.pop("NMiss")) == ("x", 0.0, 0.0)
    assert set(row.values()) == {None}


def test_moments_far_from_zero_keep_their_digits(run: Run, ctx: Context) -> None:
    near = [1.0, 2.0, 4.0, 9.0, 16.0]
    put(ctx, "far", {"x": [1e9 + value for value in near]})

    (row,) = run("simple.summary", table="far").tables["Summary"].records()

    assert row["Var"] == pytest.approx(stats.describe(near).variance)
    assert row["Skewness"] == pytest.approx(stats.skew(near, bias=False))
    assert row["Kurtosis"] == pytest.approx(stats.kurtosis(near, bias=False))
