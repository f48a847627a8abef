"""swat's statistics of a table are those of pandas."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

FRAME = pd.DataFrame(
    {
        "kind": ["a", "b", "a", "b", "a", "c"],
        "x": [1.0, 2.0, 3.5, np.nan, 5.0, 8.0],
        "n": [4, 4, 1, 1, 4, 9],
    }
)


@pytest.fixture
def table(cas: Any) -> Any:
    return cas.upload_frame(FRAME, casout={"name": "numbers", "replace": True})


def test_a_summary_has_the_moments_of_the_columns(table: Any) -> None:
    summary = table.summary()["Summary"].set_index("Column")

    for name in ("x", "n"):
        expected = FRAME[name]
        assert summary.loc[name, "N"] == expected.count()
        assert summary.loc[name, "NMiss"] == expected.isna().sum()
        for column, value in (
            ("Mean", expected.mean()),
            ("Std", expected.std()),
            ("Min", expected.min()),
            ("Max", expected.max()),
            ("Sum", expected.sum()),
        ):
            assert summary.loc[name, column] == pytest.approx(value)


def test_means_and_deviations_are_those_of_pandas(table: Any) -> None:
    np.testing.assert_allclose(table[["x", "n"]].mean(), FRAME[["x", "n"]].mean())
    np.testing.assert_allclose(table[["x", "n"]].std(), FRAME[["x", "n"]].std())
    assert table["x"].max() == 8.0
    assert table["x"].nmiss() == 1


def test_values_are_counted(table: Any) -> None:
    assert table["kind"].value_counts().to_dict() == {"a": 3, "b": 2, "c": 1}
    frequencies = table[["kind"]].freq()["Frequency"]
    assert frequencies[["FmtVar", "Frequency"]].values.tolist() == [
        ["a", 3.0],
        ["b", 2.0],
        ["c", 1.0],
    ]


def test_a_description_has_the_quartiles(table: Any) -> None:
    described = table[["x", "n"]].describe()

    assert described.loc["count"].tolist() == [5.0, 6.0]
    assert described.loc["mean"].tolist() == pytest.approx([3.9, 23 / 6])
    assert described.loc["min"].tolist() == [1.0, 1.0]
    assert described.loc["50%"].tolist() == [3.5, 4.0]
    assert described.loc["max"].tolist() == [8.0, 9.0]


def test_groups_have_statistics_of_their_own(table: Any) -> None:
    summary = table.groupby("kind").summary(inputs=["n"])

    assert summary["ByGroupInfo"]["kind"].tolist() == ["a", "b", "c"]
    assert summary["ByGroup1.Summary"]["Mean"].tolist() == [3.0]


def test_rows_are_chosen_by_comparing_columns(table: Any) -> None:
    chosen = table[(table["x"] > 2) & (table["kind"] == "a")]

    assert chosen.to_frame()["x"].tolist() == [3.5, 5.0]
    assert len(table[table["kind"].isin(["b", "c"])]) == 3


def test_levels_are_crossed(table: Any) -> None:
    crossed = table.crosstab(row="kind", col="n")["Crosstab"]

    expected = pd.crosstab(FRAME["kind"], FRAME["n"])
    assert crossed["kind"].tolist() == expected.index.tolist()
    np.testing.assert_array_equal(crossed[["Col1", "Col2", "Col3"]], expected)


def test_correlations_are_those_of_pandas(table: Any) -> None:
    found = table[["x", "n"]].corr()

    np.testing.assert_allclose(found.values, FRAME[["x", "n"]].corr().values)
