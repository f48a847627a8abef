"""Rows become series of even steps; the expected values are worked by hand."""

from datetime import date, datetime

import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.results import Json
from actions.timedata import time_series as module
from tests.actions.house import Run, put, rows_of

DAYS = [date(2024, 2, 28), date(2024, 2, 28), date(2024, 3, 1), None, date(2024, 2, 29)]


@pytest.fixture(autouse=True)
def rows(ctx: Context) -> None:
    put(
        ctx,
        "sales",
        {"shop": ["a", "a", "a", "a", "b"], "day": DAYS, "sold": [1.0, 4.0, 2.0, 99.0, 7.0]},
    )


def of_shops(**more: Json) -> dict[str, Json]:
    return {
        "table": {"name": "sales", "groupBy": "shop"},
        "timeId": "day",
        "series": "sold",
        "interval": "day",
        "casOut": "series",
        **more,
    }


def shown(ctx: Context, name: str = "series") -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in rows_of(ctx, name)]


def test_values_are_summed_day_by_day_and_days_without_rows_are_missing(
    ctx: Context, run: Run
) -> None:
    answer = run("timeData.timeSeries", **of_shops())

    assert shown(ctx) == [
        ("a", date(2024, 2, 28), 5.0),
        ("a", date(2024, 2, 29), None),
        ("a", date(2024, 3, 1), 2.0),
        ("b", date(2024, 2, 29), 7.0),
    ]
    (row,) = answer.tables["OutputCasTables"].records()
    assert (row["Name"], row["Rows"], row["Columns"]) == ("series", 4, 3)


@pytest.mark.parametrize(
    ("trim", "days"),
    [("BOTH", [29]), ("LEFT", [29, 1]), ("RIGHT", [28, 29]), ("NONE", [28, 29, 1])],
)
def test_groups_begin_and_end_together_unless_they_are_trimmed(
    ctx: Context, run: Run, trim: str, days: list[int]
) -> None:
    run("timeData.timeSeries", **of_shops(trimId=trim))

    assert [row["day"].day for row in rows_of(ctx, "series") if row["shop"] == "b"] == days


@pytest.mark.parametrize(
    ("acc", "expected"),
    [
        ("sum", 16.0),
        ("total", 16.0),
        ("avg", 4.0),
        ("average", 4.0),
        ("min", 1.0),
        ("med", 3.0),
        ("max", 9.0),
        ("n", 4.0),
        ("nmiss", 1.0),
        ("nobs", 5.0),
        ("first", 9.0),
        ("last", 2.0),
        ("std", (38 / 3) ** 0.5),
        ("css", 38.0),
        ("uss", 102.0),
    ],
)
def test_values_are_accumulated_as_asked(ctx: Context, run: Run, acc: str, expected: float) -> None:
    # 9 comes first in time, 2 last; 1, 4, 2 and 9 deviate from their mean of 4 by -3, 0, -2 and 5
    moments = [datetime(2024, 1, 1, hour) for hour in (7, 8, 9, 6, 7)]  # noqa: DTZ001
    put(ctx, "day", {"at": moments, "x": [1.0, 4.0, 2.0, 9.0, None]})

    run(
        "timeData.timeSeries",
        table="day",
        timeId="at",
        series=[{"name": "x", "acc": acc}],
        interval="dtday",
        casOut="series",
    )

    ((at, value),) = shown(ctx)
    assert at == datetime(2024, 1, 1)  # noqa: DTZ001
    assert value == pytest.approx(expected)


def test_steps_of_several_months_begin_with_the_first(ctx: Context, run: Run) -> None:
    put(ctx, "t", {"day": [date(2023, 12, 31), date(2024, 5, 2)], "x": [1.0, 2.0]})

    run("timeData.timeSeries", table="t", timeId="day", series="x", interval="qtr", casOut="series")

    assert shown(ctx) == [
        (date(2023, 10, 1), 1.0),
        (date(2024, 1, 1), None),
        (date(2024, 4, 1), 2.0),
    ]


def test_a_summary_has_a_row_for_every_series(ctx: Context, run: Run) -> None:
    run("timeData.timeSeries", **of_shops(sumOut="summary"))

    assert rows_of(ctx, "summary") == [
        {
            "shop": "a",
            "_NAME_": "sold",
            "NOBS": 3,
            "N": 2,
            "NMISS": 1,
            "MIN": 2.0,
            "MAX": 5.0,
            "MEAN": 3.5,
            "STDDEV": pytest.approx(4.5**0.5),
            "SUM": 7.0,
        },
        {
            "shop": "b",
            "_NAME_": "sold",
            "NOBS": 1,
            "N": 1,
            "NMISS": 0,
            "MIN": 7.0,
            "MAX": 7.0,
            "MEAN": 7.0,
            "STDDEV": None,
            "SUM": 7.0,
        },
    ]


def test_a_series_without_values_has_none_to_sum_up(ctx: Context, run: Run) -> None:
    put(ctx, "sales", {"shop": ["a"], "day": [date(2024, 1, 1)], "sold": [float("nan")]})

    run("timeData.timeSeries", **of_shops(sumOut="summary"))

    (row,) = rows_of(ctx, "summary")
    assert [row[name] for name in ("N", "MIN", "MEAN", "SUM")] == [0, None, None, None]


def test_an_unknown_interval_is_refused(run: Run) -> None:
    with pytest.raises(InvalidParameters) as error:
        run("timeData.timeSeries", **of_shops(interval="fortnight"))

    assert str(error.value) == (
        "parameter 'interval' got 'fortnight', expected second, minute, hour, day, week, month, "
        "qtr, semiyear or year, of moments after dt, with a number behind it or without"
    )


def test_an_interval_that_does_not_suit_the_times_is_refused(ctx: Context, run: Run) -> None:
    with pytest.raises(InvalidParameters) as error:
        run("timeData.timeSeries", **of_shops(interval="hour"))

    assert str(error.value) == (
        "parameter 'interval' got 'hour' for 'day', which holds dates, expected day, week, month, "
        "qtr, semiyear or year"
    )
    put(ctx, "t", {"at": [datetime(2024, 1, 1)], "x": [1.0]})  # noqa: DTZ001
    with pytest.raises(InvalidParameters) as error:
        run("timeData.timeSeries", **of_shops(table="t", timeId="at", series="x"))
    assert str(error.value) == (
        "parameter 'interval' got 'day' for 'at', which holds moments, expected dtday, or second, "
        "minute or hour"
    )


def test_a_table_without_times_is_refused(ctx: Context, run: Run) -> None:
    put(ctx, "t", {"at": [float("nan")], "x": [1.0]})

    with pytest.raises(InvalidParameters) as error:
        run("timeData.timeSeries", **of_shops(table="t", timeId="at", series="x"))

    assert str(error.value) == (
        "parameter 'timeId' got the column 'at', which has no value, expected one at least"
    )


def test_more_intervals_than_a_table_may_have_rows_are_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)

    with pytest.raises(TooLarge) as error:
        run("timeData.timeSeries", **of_shops())

    assert str(error.value) == (
        "parameter 'interval' got 'day', which makes 4 rows, expected at most 3"
    )
