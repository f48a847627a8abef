"""Forecast a time series with a recurrent network, and compare it with the naive forecast.

    castorch serve                                   # in another window
    python examples/forecast.py --data daily-min-temperatures.csv --out demo

The file has a header, dates in its first column and numbers in its last. From a window of values
the network predicts the next one; the naive forecast says that the next value is the last one. With
a series that grows, such as the passengers of an airline, give ``--change``: then the network
predicts the change of the logarithm, and with ``--window 12`` it sees a whole year.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt

import castorch
from castorch import Model, Session, layers

HELD_OUT = 0.25  # of the series, its end, never trained on
NEURONS = 24
OPTIMIZER = {
    "algorithm": {
        "method": "ADAM",
        "learning_rate": 0.005,
        "learning_rate_policy": "STEP",
        "gamma": 0.5,
        "step_size": 10,
    },
    "mini_batch_size": 32,
    "max_epochs": 40,
}

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """A series and what the network sees of it.

    Attributes:
        values: as they are in the file.
        seen: what the windows are made of: the values, or the changes of their logarithms.
        window: steps of a window.
    """

    values: Values
    seen: Values
    window: int

    @property
    def names(self) -> list[str]:
        """The columns of a window, the oldest step first."""
        return [f"lag{lag}" for lag in range(self.window, 0, -1)]

    @property
    def train_rows(self) -> int:
        """Windows whose target lies before what is held out."""
        return len(self.seen) - self.window - round(len(self.values) * HELD_OUT)

    def table(self) -> dict[str, Values]:
        """Return every window with the value that follows it."""
        windows = np.lib.stride_tricks.sliding_window_view(self.seen, self.window + 1)
        return dict(zip([*self.names, "next"], windows.T.copy(), strict=True))


def read_series(path: Path, window: int, *, change: bool) -> Series:
    """Read the last column of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    values = np.array([float(row[-1]) for row in rows if row], dtype=np.float64)
    seen = np.diff(np.log(values)) if change else values
    return Series(values, seen, window)


def declare_forecaster(session: Session) -> Model:
    """Declare a recurrent network that reads a window and predicts one value."""
    model = session.model("forecaster", replace=True)
    model.add("window", layers.Input(std="STD"))
    model.add("state", layers.Recurrent(n=NEURONS, rnn_type="GRU"), "window")
    model.add("next", layers.Output(target_std="STD"), "state")
    return model


def train(session: Session, model: Model, series: Series) -> Values:
    """Train on the beginning of the series and return predictions for its end."""
    table, cut = series.table(), series.train_rows
    session.upload("past", {name: each[:cut] for name, each in table.items()}, replace=True)
    session.upload("future", {name: each[cut:] for name, each in table.items()}, replace=True)
    history = model.train(
        "past",
        target="next",
        inputs=series.names,
        sequence={"token_size": 1},
        optimizer=OPTIMIZER,
        seed=1,
        record_seed=1,
    )
    print(f"\nloss of the last epoch: {history.column('Loss')[-1]:.4f}")
    scored = model.score("future", out="forecast", copy_vars=["next"])
    print(f"\n{scored}\n")
    return np.asarray(session.table("forecast").to_numpy()["P_next"], dtype=np.float64)


def restored(series: Series, predicted: Values, *, change: bool) -> tuple[Values, Values, Values]:
    """Return what was predicted, what happened, and the naive forecast, in the file's units."""
    happened = series.values[-len(predicted) :]
    before = series.values[-len(predicted) - 1 : -1]
    return (before * np.exp(predicted) if change else predicted), happened, before


def rmse(predicted: Values, happened: Values) -> float:
    return sqrt(float(np.square(predicted - happened).mean()))


def draw(path: Path, predicted: Values, happened: Values, naive: Values) -> None:
    """Draw the held out part of the series with both forecasts."""
    mpl.use("Agg")
    figure, axis = plt.subplots(figsize=(11, 4), layout="constrained")
    shown = slice(-200, None)
    for values, label, style in (
        (happened, "happened", "k-"),
        (predicted, "network", "C0-"),
        (naive, "naive", "C1:"),
    ):
        axis.plot(values[shown], style, label=label, linewidth=1.2)
    axis.set(xlabel="step of the part held out", title="One step ahead")
    axis.grid(alpha=0.3)
    axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV file: dates ... values")
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for forecast.png")
    parser.add_argument("--window", type=int, default=14, help="steps the network looks back")
    parser.add_argument("--change", action="store_true", help="predict changes of the logarithm")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    series = read_series(args.data, args.window, change=args.change)
    print(f"{len(series.values):,} values, {series.train_rows:,} windows to learn from")
    with castorch.connect(args.url) as client:
        session = client.session()
        model = declare_forecaster(session)
        found = train(session, model, series)
    predicted, happened, naive = restored(series, found, change=args.change)
    picture = args.out / "forecast.png"
    draw(picture, predicted, happened, naive)
    ours, theirs = rmse(predicted, happened), rmse(naive, happened)
    print(f"root mean squared error of the network: {ours:.3f}")
    print(f"root mean squared error of the naive forecast: {theirs:.3f}   picture: {picture}")
    if ours >= theirs:
        print("the network is no better than the naive forecast, expected it to be")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
