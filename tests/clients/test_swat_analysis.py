"""What CASTable methods compute: statistics, groups, computed columns and DATA steps."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import swat
from swat.dataframe import SASDataFrame
from swat.exceptions import SWATError


def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    x = random.normal(10, 3, 40).round(3)
    x[::9] = np.nan
    kinds = random.choice(["ant", "bee", "cat"], 40)
    n = random.integers(0, 5, 40)
    return pd.DataFrame({"kind": kinds, "x": x, "n": n, "id": range(40)})


FRAME = frame()


def drop_names_of_columns_as_before_pandas_1_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``mode`` of swat 1.18.1 work: since pandas 1.5 columns get the name of their table.

    swat then pivots by columns it does not find, whatever a server answers.
    """
    kept = [name for name in SASDataFrame._metadata if name != "name"]
    monkeypatch.setattr(SASDataFrame, "_metadata", kept)


@pytest.fixture
def data(cas: Any) -> Any:
    return cas.upload_frame(FRAME, casout={"name": "data", "replace": True})


class TestStatistics:
    @pytest.mark.parametrize(
        "name", ["mean", "sum", "std", "var", "min", "max", "count", "skew", "kurt", "median"]
    )
    def test_a_statistic_is_that_of_pandas(self, data: Any, name: str) -> None:
        numbers = data[["x", "n", "id"]]

        found = getattr(numbers, name)()

        expected = getattr(FRAME[["x", "n", "id"]], name)()
        np.testing.assert_allclose(found[["x", "n", "id"]].astype(float), expected.astype(float))

    def test_describe(self, data: Any) -> None:
        found = data.describe()

        expected = FRAME.describe(percentiles=[0.5]).drop(index="50%")
        for column in ("x", "n", "id"):
            for row in expected.index:
                assert found.loc[row, column] == pytest.approx(expected.loc[row, column])

    def test_describe_of_everything(self, data: Any) -> None:
        found = data.describe(include="all")

        assert found.loc["unique", "kind"] == 3
        assert found.loc["freq", "kind"] == FRAME["kind"].value_counts().max()

    def test_describe_of_every_statistic(self, data: Any) -> None:
        found = data[["x", "n"]].describe(stats="all")

        for name, expected in {
            "sum": FRAME[["x", "n"]].sum(),
            "var": FRAME[["x", "n"]].var(),
            "stderr": FRAME[["x", "n"]].sem(),
            "skewness": FRAME[["x", "n"]].skew(),
            "kurtosis": FRAME[["x", "n"]].kurt(),
        }.items():
            np.testing.assert_allclose(found.loc[name].astype(float), expected)

    def test_describe_by_group(self, data: Any) -> None:
        found = data.groupby("kind")[["x", "n"]].describe()

        expected = FRAME.groupby("kind")[["x", "n"]].describe()
        for column in ("x", "n"):
            for name in ("count", "mean", "std", "min", "50%", "max"):
                np.testing.assert_allclose(
                    found[column][name].astype(float), expected[column][name]
                )

    @pytest.mark.parametrize("columns", [["kind", "n"], ["n"], ["kind"]])
    def test_modes(self, data: Any, columns: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        drop_names_of_columns_as_before_pandas_1_5(monkeypatch)

        found = data[columns].mode()

        pd.testing.assert_frame_equal(pd.DataFrame(found), FRAME[columns].mode(), check_dtype=False)

    def test_modes_by_group(self, data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        drop_names_of_columns_as_before_pandas_1_5(monkeypatch)

        found = data.groupby("kind")[["n"]].mode()["n"]

        for kind, group in FRAME.groupby("kind"):
            assert found.loc[kind].tolist() == group["n"].mode().tolist()

    def test_statistics_by_group(self, data: Any) -> None:
        grouped = data.groupby("kind")

        np.testing.assert_allclose(
            grouped[["x", "n"]].mean()[["x", "n"]], FRAME.groupby("kind")[["x", "n"]].mean()
        )
        np.testing.assert_allclose(
            grouped[["x", "n"]].max()[["x", "n"]].astype(float),
            FRAME.groupby("kind")[["x", "n"]].max(),
        )
        assert grouped[["x"]].count()["x"].tolist() == FRAME.groupby("kind")["x"].count().tolist()

    def test_groups_are_gone_through(self, data: Any) -> None:
        sizes = {name[0]: len(group) for name, group in data.groupby("kind")}

        assert sizes == FRAME["kind"].value_counts().to_dict()

    def test_values_are_counted(self, data: Any) -> None:
        assert data["kind"].value_counts().to_dict() == FRAME["kind"].value_counts().to_dict()
        assert data["n"].value_counts().to_dict() == FRAME["n"].value_counts().to_dict()
        assert sorted(data["kind"].unique()) == ["ant", "bee", "cat"]
        assert data[["kind", "n", "x"]].nunique().tolist() == [3, 5, FRAME["x"].nunique()]
        assert data["x"].nunique() == FRAME["x"].nunique()
        assert data.nmiss()["x"] == 5

    def test_correlations(self, data: Any) -> None:
        np.testing.assert_allclose(data.corr(), FRAME[["x", "n", "id"]].corr())

    def test_quantiles(self, data: Any) -> None:
        found = data[["n", "id"]].quantile([0.25, 0.75])

        expected = [
            np.percentile(FRAME[name], [25, 75], method="averaged_inverted_cdf")
            for name in ("n", "id")
        ]
        np.testing.assert_allclose(found.to_numpy().T.astype(float), expected)

    def test_a_cross_tabulation(self, data: Any) -> None:
        found = data.crosstab(row="kind", col="n")["Crosstab"]

        expected = pd.crosstab(FRAME["kind"], FRAME["n"])
        assert found["kind"].tolist() == expected.index.tolist()
        np.testing.assert_array_equal(found.iloc[:, 1:], expected)
        assert [found.colinfo[f"Col{at}"].label for at in range(1, 6)] == list("01234")

    @pytest.mark.parametrize(
        "name", ["mean", "sum", "std", "var", "min", "max", "median", "nunique"]
    )
    def test_statistics_by_group_become_a_table(self, data: Any, name: str) -> None:
        out = {"name": "found", "replace": True}

        found = getattr(data.groupby("n")[["x", "id"]], name)(casout=out).to_frame()

        expected = getattr(FRAME.groupby("n")[["x", "id"]], name)()
        found = found.sort_values("n")[["x", "id"]].astype(float)
        np.testing.assert_allclose(found, expected.astype(float))

    def test_quantiles_by_group_become_a_table(self, data: Any) -> None:
        out = {"name": "found", "replace": True}

        found = data.groupby("kind")[["x"]].quantile([0.25, 0.5], casout=out).to_frame()

        expected = [
            np.percentile(each["x"].dropna(), [25, 50], method="averaged_inverted_cdf")
            for _, each in FRAME.groupby("kind")
        ]
        np.testing.assert_allclose(found["x"], np.ravel(expected))
        assert found["quantile"].tolist() == [25, 50] * 3

    def test_a_curve_of_scores(self, cas: Any) -> None:
        scored = cas.upload_frame(pd.DataFrame({"p": [0.1, 0.4, 0.35, 0.8], "y": [0, 0, 1, 1]}))

        found = scored.percentile.assess(inputs="p", response="y", event="1", cutstep=0.1)

        assert found["ROCInfo"]["C"][0] == 0.75  # of four pairs three are in order


class TestColumns:
    def test_arithmetic_and_comparisons_are_computed(self, data: Any) -> None:
        np.testing.assert_allclose((data["n"] * 2 + 1).to_series(), FRAME["n"] * 2 + 1)
        np.testing.assert_allclose((data["id"] // 7).to_series(), FRAME["id"] // 7)
        assert data[data["n"] > 2].shape[0] == int((FRAME["n"] > 2).sum())
        assert data[(data["n"] > 2) & (data["kind"] == "cat")]["id"].to_series().tolist() == (
            FRAME[(FRAME["n"] > 2) & (FRAME["kind"] == "cat")]["id"].tolist()
        )
        assert (
            len(data[data["kind"].isin(["ant", "bee"])]) == FRAME["kind"].isin(["ant", "bee"]).sum()
        )
        assert len(data[data["x"].isnull()]) == 5

    def test_text_is_computed(self, data: Any) -> None:
        kind = FRAME["kind"]

        assert data["kind"].str.upper().to_series().tolist() == kind.str.upper().tolist()
        assert data["kind"].str.len().to_series().tolist() == kind.str.len().tolist()
        assert len(data[data["kind"].str.contains("a")]) == kind.str.contains("a").sum()
        assert len(data[data["kind"].str.contains("^b.e$", regex=True)]) == (kind == "bee").sum()
        assert len(data[data["kind"].str.startswith("c")]) == kind.str.startswith("c").sum()
        assert len(data[data["kind"].str.endswith("t")]) == kind.str.endswith("t").sum()

    def test_functions_are_computed(self, data: Any) -> None:
        np.testing.assert_allclose(data["n"].sas.exp().to_series(), np.exp(FRAME["n"]))
        np.testing.assert_allclose(data["x"].sas.sqrt().to_series(), np.sqrt(FRAME["x"]))
        np.testing.assert_allclose(data["id"].clip(3, 9).to_series(), FRAME["id"].clip(3, 9))
        np.testing.assert_allclose(data["x"].round(1).to_series(), FRAME["x"].round(1), atol=0.1001)

    def test_a_formula_becomes_a_column(self, data: Any) -> None:
        data.eval("y = n + id")

        assert data.columns.tolist()[-1] == "y"
        assert data["y"].to_series().tolist() == (FRAME["n"] + FRAME["id"]).tolist()

    def test_rows_are_sorted_and_sampled(self, data: Any) -> None:
        by = ["kind", "id"]
        found = data.sort_values(by, ascending=[False, True])["id"].to_series()
        assert found.tolist() == FRAME.sort_values(by, ascending=[False, True])["id"].tolist()
        assert len(data.sample(n=10, random_state=4)) == 10
        assert len(data.sample(frac=0.5, stratify_by="kind")) in range(18, 23)


class TestSteps:
    def test_missing_values_are_filled_and_dropped(self, data: Any) -> None:
        assert data.fillna(-1).to_frame()["x"].tolist() == FRAME["x"].fillna(-1).tolist()
        assert len(data.dropna()) == len(FRAME.dropna())

    def test_values_are_replaced(self, data: Any) -> None:
        found = data.replace("ant", "ape").to_frame()["kind"]

        assert found.tolist() == FRAME["kind"].replace("ant", "ape").tolist()

    def test_absolute_values_and_clips_make_tables(self, data: Any) -> None:
        assert data.abs().to_frame()["n"].tolist() == FRAME["n"].tolist()
        assert data.clip(1, 2).to_frame()["n"].tolist() == FRAME["n"].clip(1, 2).tolist()

    def test_a_step_of_ones_own(self, data: Any) -> None:
        found = data.datastep("if n > 2; twice = n * 2; drop x;").to_frame()

        assert found["twice"].tolist() == (FRAME["n"][FRAME["n"] > 2] * 2).tolist()
        assert "x" not in found.columns

    def test_tables_are_put_behind_one_another(self, data: Any) -> None:
        found = swat.concat([data.query("n > 2"), data.query("n <= 2")]).to_frame()

        expected = pd.concat([FRAME[FRAME["n"] > 2], FRAME[FRAME["n"] <= 2]])
        assert found["id"].tolist() == expected["id"].tolist()

    @pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
    def test_tables_are_merged(self, cas: Any, data: Any, how: Any) -> None:
        other = pd.DataFrame({"kind": ["ant", "cat", "eel"], "legs": [6.0, 4.0, 0.0]})
        table = cas.upload_frame(other)

        found = data.merge(table, on="kind", how=how).to_frame()

        expected = FRAME.merge(other, on="kind", how=how)
        keys = ["kind", "id"]
        assert len(found) == len(expected)
        np.testing.assert_array_equal(
            found.sort_values(keys)["legs"].to_numpy(),
            expected.sort_values(keys)["legs"].to_numpy(),
        )

    def test_duplicates_are_dropped(self, data: Any) -> None:
        found = data.drop_duplicates("unique_rows", subset=["kind", "n"]).to_frame()

        expected = FRAME.drop_duplicates(["kind", "n"])
        assert sorted(found["id"]) == expected["id"].tolist()

    @pytest.mark.complains
    def test_a_wrong_condition_and_a_wrong_step_are_the_usual_errors(self, data: Any) -> None:
        with pytest.raises(SWATError, match=r"the expression '\(n >\)' at line 1, column 5 got "):
            data.query("n >").to_frame()
        with pytest.raises(SWATError, match=r"which is not supported yet"):
            data.datastep("put n;")


def test_a_query_in_sql(cas: Any, data: Any) -> None:
    found = cas.fedsql.execdirect(
        "select kind, count(*) as n from data group by kind order by kind"
    )

    assert dict(found["Result Set"].values.tolist()) == FRAME["kind"].value_counts().to_dict()
