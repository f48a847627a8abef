"""Series of numbers by time, as sas-dlpy formats, accumulates, cuts, learns and forecasts them."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dlpy import Sequential
from dlpy.layers import InputLayer, OutputLayer, Recurrent
from dlpy.model import AdamSolver, Optimizer
from dlpy.model import Sequence as SequenceOptions
from dlpy.timeseries import TimeseriesTable

START = datetime.date(2024, 1, 30)  # so that a leap day is in between
DAYS = 60
SHOPS = ("east", "west")
HALVES = 2  # rows of a day, which are summed up


def sales() -> pd.DataFrame:
    """Two waves, in halves of a day, with days as text."""
    rows = []
    for shift, shop in enumerate(SHOPS):
        for day in range(DAYS):
            value = 2 + np.sin(day / 3 + shift)
            text = (START + datetime.timedelta(day)).strftime("%d%b%Y").upper()
            rows += [(shop, text, value / HALVES)] * HALVES
    return pd.DataFrame(rows, columns=["shop", "day", "sold"])


def waves() -> "np.ndarray[Any, Any]":
    return 2 + np.sin(np.arange(DAYS) / 3)


@pytest.fixture
def table(cas: Any, tmp_path: Path) -> Any:
    """The rows as they were uploaded, formatted."""
    path = tmp_path / "sales.csv"
    sales().to_csv(path, index=False)
    cas.loadactionset("deepLearn")
    loaded = TimeseriesTable.from_localfile(cas, str(path), casout={"name": "sales"})
    loaded.timeseries_formatting(
        timeid="day", timeseries="sold", timeid_informat="DATE9.", timeid_format="DATE9."
    )
    return loaded


@pytest.fixture
def days(table: Any) -> Any:
    """A row a shop and day."""
    table.timeseries_accumlation(acc_interval="day", groupby="shop")
    return table


def test_texts_become_dates_and_parts_of_a_table_a_table(cas: Any, table: Any) -> None:
    assert table.timeid_type == "date"
    assert table.to_frame()["day"].min() == START

    part = TimeseriesTable.from_table(table, columns=["day", "sold"])

    assert sorted(part.columns) == ["day", "sold"]
    assert len(part) == 2 * HALVES * DAYS


def test_rows_are_accumulated_day_by_day(days: Any) -> None:
    east = days.to_frame(to=1000).query("shop == 'east'").sort_values("day")

    assert east["day"].tolist() == [START + datetime.timedelta(day) for day in range(DAYS)]
    np.testing.assert_allclose(east["sold"], waves())


def test_moments_are_accumulated_by_the_hour(cas: Any) -> None:
    frame = pd.DataFrame(
        {
            "at": ["2024-03-01 10:05:00", "2024-03-01 10:55:00", "2024-03-01 12:00:00"],
            "x": [1, 3, 5],
        }
    )
    cas.upload_frame(frame, casout={"name": "hours", "replace": True})
    hours = TimeseriesTable.from_table(cas.CASTable("hours"))
    hours.timeseries_formatting(
        timeid="at", timeseries="x", timeid_informat="ANYDTDTM19.", timeid_format="DATETIME19."
    )

    hours.timeseries_accumlation(acc_interval="hour", default_ts_acc="avg")

    found = hours.to_frame()
    ten = datetime.datetime(2024, 3, 1, 10)  # noqa: DTZ001
    assert [pd.Timestamp(at) for at in found["at"]] == [
        ten + datetime.timedelta(hours=step) for step in range(3)
    ]
    np.testing.assert_array_equal(found["x"], [2, np.nan, 5])


def test_series_are_cut_into_subsequences_and_parts(days: Any) -> None:
    days.prepare_subsequences(seq_len=3, target="sold")

    east = days.to_frame(to=1000).query("shop == 'east'").sort_values("day")
    assert days.inputs_target["inputs"] == ["sold_lag3", "sold_lag2", "sold_lag1"]
    assert len(east) == DAYS - 3
    for lag in (1, 2, 3):
        np.testing.assert_allclose(east[f"sold_lag{lag}"], waves()[3 - lag : DAYS - lag])
    assert set(east["xlen"]) == {3}

    parts = days.timeseries_partition(
        validation_start=START + datetime.timedelta(40),
        testing_start=START + datetime.timedelta(50),
    )

    assert [len(part) for part in parts] == [2 * 37, 2 * 10, 2 * 10]


def test_a_recurrent_network_learns_and_forecasts(days: Any, cas: Any) -> None:
    days.prepare_subsequences(seq_len=4, target="sold")
    train, valid, test = days.timeseries_partition(
        validation_start=START + datetime.timedelta(45),
        testing_start=START + datetime.timedelta(50),
    )
    model = Sequential(cas, model_table="forecaster")
    model.add(InputLayer(std="STD"))
    model.add(Recurrent(n=8, act="tanh", rnn_type="GRU", output_type="encoding"))
    model.add(OutputLayer(act="identity"))

    answer = model.fit(
        train,
        valid_table=valid,
        **train.inputs_target,
        sequence=SequenceOptions(**train.sequence_opt),
        optimizer=Optimizer(
            algorithm=AdamSolver(learning_rate=0.02), mini_batch_size=10, max_epochs=40, seed=3
        ),
    )
    ahead = model.forecast(horizon=5)
    checked = model.forecast(test_table=test, horizon=5)

    assert answer.severity == 0, answer.messages
    assert answer["OptIterHistory"]["FitError"].iloc[-1] < 0.05
    for found in (ahead, checked):
        east = found.to_frame(to=1000).query("shop == 'east'").sort_values("day")
        assert len(east) == 5
        assert "_DL_Pred_" in east.columns
    first = checked.to_frame(to=1000).query("shop == 'east'").sort_values("day").iloc[0]
    assert first["_DL_Pred_"] == pytest.approx(waves()[50], abs=0.5)
