from datetime import date

import pandas as pd
import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.simple import cross_tab, top_k
from tests.actions.house import Run, put, rows_of


@pytest.fixture
def pets(ctx: Context) -> None:
    put(
        ctx,
        "pets",
        {
            "kind": ["cat", "dog", "cat ", "", None, "cat"],
            "age": [3, 1, 3, 2, 1, 9],
            "paid": [1.5, None, float("nan"), 0.25, 1.5, 1.5],
        },
    )


@pytest.mark.usefixtures("pets")
class TestNumRows:
    def test_all_rows_are_counted(self, run: Run) -> None:
        assert run("simple.numRows", table="pets").values == {"numrows": 6}

    def test_rows_that_meet_a_condition_are_counted(self, run: Run) -> None:
        where = {"name": "pets", "where": "age = 3", "orderBy": "kind"}

        assert run("simple.numRows", table=where).values == {"numrows": 2}


@pytest.mark.usefixtures("pets")
class TestFreq:
    def test_text_has_char_values_and_blanks_behind_it_do_not_count(self, run: Run) -> None:
        table = run("simple.freq", table="pets", inputs="kind").tables["Frequency"]

        assert [column.name for column in table.columns] == [
            "Column",
            "CharVar",
            "FmtVar",
            "Level",
            "Frequency",
        ]
        assert table.rows == (
            ("kind", "", "", 1, 2.0),
            ("kind", "cat", "cat", 2, 3.0),
            ("kind", "dog", "dog", 3, 1.0),
        )

    def test_numbers_have_num_values_and_missing_is_lowest(self, run: Run) -> None:
        table = run("simple.freq", table="pets", inputs="paid").tables["Frequency"]

        assert "CharVar" not in [column.name for column in table.columns]
        assert table.rows == (
            ("paid", None, ".", 1, 2.0),
            ("paid", 0.25, "0.25", 2, 1.0),
            ("paid", 1.5, "1.5", 3, 3.0),
        )

    def test_missing_values_may_be_left_out(self, run: Run) -> None:
        table = run("simple.freq", table="pets", inputs="paid", includeMissing=False)

        assert [row[2] for row in table.tables["Frequency"].rows] == ["0.25", "1.5"]

    def test_text_and_numbers_stand_side_by_side(self, run: Run) -> None:
        table = run("simple.freq", table="pets", inputs=["kind", "age"]).tables["Frequency"]

        assert table.rows[2] == ("kind", "dog", None, "dog", 3, 1.0)
        assert table.rows[3] == ("age", "", 1.0, "1", 1, 2.0)

    def test_dates_are_days_since_1960_shown_as_dates(self, run: Run, ctx: Context) -> None:
        put(ctx, "days", {"d": [date(1960, 1, 2), date(2024, 2, 29), date(2024, 2, 29)]})

        rows = run("simple.freq", table="days").tables["Frequency"].rows

        # 64 years of 365 days, 16 leap days from 1960 to 2020, then 31 days of January and 28
        assert rows == (
            ("d", 1.0, "1960-01-02", 1, 1.0),
            ("d", 64.0 * 365 + 16 + 59, "2024-02-29", 2, 2.0),
        )

    def test_counts_are_stored_by_group(self, run: Run, ctx: Context) -> None:
        table = {"name": "pets", "groupBy": "age", "where": "age < 3"}

        run("simple.freq", table=table, inputs="kind", casOut="counts")

        names = ("age", "age_f", "_Column_", "_Charvar_", "_Fmtvar_", "_Level_", "_Frequency_")
        assert rows_of(ctx, "counts") == [
            dict(zip(names, row, strict=True))
            for row in [
                (1, "1", "kind", "", "", 1, 1.0),
                (1, "1", "kind", "dog", "dog", 2, 1.0),
                (2, "2", "kind", "", "", 1, 1.0),
            ]
        ]

    def test_bytes_are_refused(self, run: Run, ctx: Context) -> None:
        put(ctx, "raw", {"b": [b"x"], "n": [1]})
        message = (
            r"^parameter 'inputs' got the column 'b', which holds bytes, expected columns of "
            r"numbers or text: n$"
        )

        with pytest.raises(InvalidParameters, match=message):
            run("simple.freq", table="raw", inputs="b")


@pytest.mark.usefixtures("pets")
class TestDistinct:
    def test_missing_is_a_value_unless_left_out(self, run: Run) -> None:
        rows = run("simple.distinct", table="pets").tables["Distinct"].rows
        assert rows == (
            ("kind", 3.0, 2.0, 0.0),
            ("age", 4.0, 0.0, 0.0),
            ("paid", 3.0, 2.0, 0.0),
        )

        rows = run("simple.distinct", table="pets", includeMissing=False).tables["Distinct"].rows
        assert [row[1] for row in rows] == [2.0, 4.0, 2.0]

    def test_a_limit_truncates_and_says_so(self, run: Run) -> None:
        rows = (
            run("simple.distinct", table="pets", inputs="age", maxNVals=3).tables["Distinct"].rows
        )

        assert rows == (("age", 3.0, 0.0, 1.0),)


@pytest.mark.usefixtures("pets")
class TestTopK:
    def topk(self, run: Run, **raw: object) -> list[tuple[object, ...]]:
        table = run("simple.topK", table="pets", **raw).tables["Topk"]
        return [(row["FmtVar"], row["Rank"], row["Score"]) for row in table.records()]

    def test_by_value_the_greatest_comes_first_and_then_the_least(self, run: Run) -> None:
        options = {"order": "value", "topK": 1, "bottomK": 1, "includeMissing": False}

        assert self.topk(run, inputs="age", **options) == [("9", 1, 1.0), ("1", 1, 2.0)]
        assert self.topk(run, inputs="kind", **options) == [("dog", 1, 1.0), ("cat", 1, 3.0)]

    def test_a_single_value_is_both(self, run: Run) -> None:
        where = {"name": "pets", "where": "age = 9"}

        table = run("simple.topK", table=where, inputs="age", topK=1, bottomK=1).tables["Topk"]

        assert [row["NumVar"] for row in table.records()] == [9.0, 9.0]

    def test_missing_is_the_least(self, run: Run) -> None:
        assert self.topk(run, inputs="paid", topK=0, bottomK=2) == [(".", 1, 2.0), ("0.25", 2, 1.0)]

    def test_by_frequency_ties_are_given_as_far_as_allowed(self, run: Run) -> None:
        by = {"inputs": "age", "order": "freq", "topK": 1, "bottomK": 0}

        assert self.topk(run, **by) == [("1", 1, 2.0)]
        assert self.topk(run, **by, maxTie=100) == [("1", 1, 2.0), ("3", 2, 2.0)]

    def test_the_rest_is_told(self, run: Run) -> None:
        rest = run("simple.topK", table="pets", inputs="age", topK=1, bottomK=1).tables["TopkMisc"]

        # four ages; 2 and 3 are neither greatest nor least, in 1 + 2 rows
        assert rest.rows == (("age", 4.0, 1.0, 1.0, 3.0),)

    def test_no_rows_have_no_values(self, run: Run) -> None:
        answer = run("simple.topK", table={"name": "pets", "where": "age > 99"}, inputs="age")

        assert answer.tables["Topk"].rows == ()
        assert answer.tables["TopkMisc"].rows == (("age", 0.0, 0.0, 0.0, 0.0),)


class TestCrossTab:
    @pytest.mark.usefixtures("pets")
    def test_rows_are_text_and_columns_are_labelled(self, run: Run) -> None:
        table = run("simple.crossTab", table="pets", row="age", col="kind").tables["Crosstab"]

        assert [(column.name, column.type, column.label) for column in table.columns] == [
            ("age", "string", ""),
            ("Col1", "double", ""),
            ("Col2", "double", "cat"),
            ("Col3", "double", "dog"),
        ]
        assert table.rows == (
            ("1", 1.0, 0.0, 1.0),
            ("2", 1.0, 0.0, 0.0),
            ("3", 0.0, 2.0, 0.0),
            ("9", 0.0, 1.0, 0.0),
        )

    @pytest.mark.usefixtures("data")
    def test_counts_are_those_of_pandas(self, run: Run, frame: pd.DataFrame) -> None:
        answer = run("simple.crossTab", table="data", row="name", col="n", includeMissing=False)

        expected = pd.crosstab(frame["name"], frame["n"])
        assert [list(row) for row in answer.tables["Crosstab"].rows] == [
            [name, *map(float, row)]
            for name, row in zip(expected.index, expected.to_numpy(), strict=True)
        ]

    def test_a_row_variable_named_like_a_column_is_told_apart(self, run: Run, ctx: Context) -> None:
        put(ctx, "odd", {"col1": [1], "b": [2]})

        table = run("simple.crossTab", table="odd", row="col1", col="b").tables["Crosstab"]

        assert [column.name for column in table.columns] == ["col1", "_Col1"]

    def test_too_many_columns_are_refused(
        self, run: Run, ctx: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(ctx, "wide", {"a": [1, 1, 1], "b": [1, 2, 3]})
        monkeypatch.setattr(cross_tab, "MOST_LEVELS", 2)
        message = (
            r"^parameter 'col' got 'b', which has more than 2 values, expected at most as many$"
        )

        with pytest.raises(TooLarge, match=message):
            run("simple.crossTab", table="wide", row="a", col="b")


@pytest.mark.usefixtures("data")
class TestCorrelation:
    def test_coefficients_are_those_of_pandas(self, run: Run, frame: pd.DataFrame) -> None:
        table = run("simple.correlation", table="data", simple=False).tables["Correlation"]

        expected = frame[["x", "n", "y"]].corr()
        for row in table.records():
            found = {name: row[name] for name in ("x", "n", "y")}
            assert found == pytest.approx(expected.loc[str(row["Variable"])].to_dict())

    def test_each_column_is_described(self, run: Run, frame: pd.DataFrame) -> None:
        rows = run("simple.correlation", table="data", inputs=["x"]).tables["CorrSimple"].records()

        x = frame["x"]
        expected = {
            "N": x.count(),
            "Mean": x.mean(),
            "StdDev": x.std(),
            "Sum": x.sum(),
            "Minimum": x.min(),
            "Maximum": x.max(),
        }
        assert rows[0] == {"Variable": "x", **{k: pytest.approx(v) for k, v in expected.items()}}

    def test_what_does_not_vary_has_none(self, run: Run, ctx: Context) -> None:
        put(ctx, "flat", {"a": [1.0, 2.0], "b": [3.0, 3.0]})

        table = run("simple.correlation", table="flat", simple=False).tables["Correlation"]

        assert [list(row) for row in table.rows] == [["a", 1.0, None], ["b", None, None]]


@pytest.mark.usefixtures("pets")
class TestGroups:
    def test_groups_come_in_order_with_their_rows(self, run: Run) -> None:
        table = run("simple.groupBy", table="pets", inputs=["age", "kind"]).tables["Groupby"]

        assert [(row["age"], row["kind"], row["Score"]) for row in table.records()] == [
            (1, "", 1.0),
            (1, "dog", 1.0),
            (2, "", 1.0),
            (3, "cat", 2.0),
            (9, "cat", 1.0),
        ]

    def test_groups_with_missing_values_may_be_left_out(self, run: Run) -> None:
        table = {"name": "pets", "groupBy": "kind"}

        rows = run("simple.groupBy", table=table, includeMissing=False).tables["Groupby"].records()

        assert [row["kind"] for row in rows] == ["cat", "dog"]

    def test_groups_are_stored_with_their_rows(self, run: Run, ctx: Context) -> None:
        answer = run("simple.groupByInfo", table={"name": "pets", "groupBy": "kind"}, noVars=True)

        (made,) = answer.tables["OutputCasTables"].records()
        assert rows_of(ctx, str(made["Name"])) == [
            {"kind": None, "kind_f": "", "_GroupID_": 1, "_Frequency_": 2.0},
            {"kind": "cat", "kind_f": "cat", "_GroupID_": 2, "_Frequency_": 3.0},
            {"kind": "dog", "kind_f": "dog", "_GroupID_": 3, "_Frequency_": 1.0},
        ]

    def test_groups_need_a_column(self, run: Run) -> None:
        message = r"^parameter 'table.groupBy' got no column, expected at least one$"

        with pytest.raises(InvalidParameters, match=message):
            run("simple.groupByInfo", table="pets")


def test_more_columns_than_one_query_takes_have_their_first_and_last_value(
    ctx: Context, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_k, "COLUMNS_AT_ONCE", 2)
    put(
        ctx,
        "wide",
        {"a": [3.0, 1.0], "s": ["x", None], "b": [1, 7], "c": [True, False], "g": [1, 2]},
    )

    table = run("simple.topK", table="wide", topK=1, bottomK=1).tables["Topk"]

    assert [(r["Column"], r["NumVar"], r["CharVar"], r["Score"]) for r in table.records()] == [
        *(("a", 3.0, "", 1.0), ("a", 1.0, "", 1.0)),
        *(("s", None, "x", 1.0), ("s", None, "", 1.0)),
        *(("b", 7.0, "", 1.0), ("b", 1.0, "", 1.0)),
        *(("c", 1.0, "", 1.0), ("c", 0.0, "", 1.0)),
        *(("g", 2.0, "", 1.0), ("g", 1.0, "", 1.0)),
    ]
