"""Predict the rings of abalones from their sex and seven measures, beside a linear regression.

    castorch serve                                   # in another window
    python examples/abalone.py --data abalone.csv

The file has no header: sex (M, F or I), length, diameter, height, four weights, and the number of
rings, which tells the age. Sex is text and so taken as a category; missing values, were there any,
would be replaced by the mean.
"""

import argparse
import csv
import sys
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import castorch
from castorch import Model, Session, layers

MEASURES = ["length", "diameter", "height", "whole", "shucked", "viscera", "shell"]
HELD_OUT = 0.25
SPLIT_SEED = 20
OPTIMIZER = {
    "algorithm": {
        "method": "ADAM",
        "learning_rate": 0.005,
        "learning_rate_policy": "STEP",
        "gamma": 0.5,
        "step_size": 10,
    },
    "mini_batch_size": 64,
    "max_epochs": 40,
}

Columns = dict[str, npt.NDArray[Any]]


def read_columns(path: Path) -> Columns:
    """Read the file into named columns."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    sex = np.array([row[0] for row in rows], dtype=object)
    numbers = np.array([[float(cell) for cell in row[1:]] for row in rows])
    return {"sex": sex, **dict(zip([*MEASURES, "rings"], numbers.T, strict=True))}


def split(columns: Columns) -> tuple[Columns, Columns]:
    """Return rows to learn from and rows to test with, drawn at random."""
    rows = len(columns["rings"])
    order = np.random.default_rng(SPLIT_SEED).permutation(rows)
    held_out = round(rows * HELD_OUT)
    parts = order[held_out:], order[:held_out]
    train, test = ({name: each[part] for name, each in columns.items()} for part in parts)
    return train, test


def declare_network(session: Session) -> Model:
    """Declare two layers of neurons; inputs and target are standardised."""
    model = session.model("abalone", replace=True)
    model.add("measures", layers.Input(std="STD"))
    model.add("hidden1", layers.Fc(n=32), "measures")
    model.add("hidden2", layers.Fc(n=16), "hidden1")
    model.add("rings", layers.Output(target_std="STD"), "hidden2")
    return model


def linear_regression_error(train: Columns, test: Columns) -> float:
    """Return the root mean squared error of least squares on the same variables."""
    known, asked = (design(each) for each in (train, test))
    weights = np.linalg.lstsq(known, train["rings"], rcond=None)[0]
    return sqrt(float(np.square(asked @ weights - test["rings"]).mean()))


def design(columns: Columns) -> npt.NDArray[np.float64]:
    """Return a column of ones, one per sex but the last, and the measures."""
    ones = np.ones(len(columns["rings"]))
    sexes = [(columns["sex"] == level).astype(float) for level in ("M", "F")]
    return np.stack([ones, *sexes, *(columns[name] for name in MEASURES)], axis=1)


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV file without a header")
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    train, test = split(read_columns(args.data))
    with castorch.connect(args.url) as client:
        session = client.session()
        session.upload("abalones", train, replace=True)
        session.upload("abalones_test", test, replace=True)
        model = declare_network(session)
        model.train(
            "abalones",
            target="rings",
            inputs=["sex", *MEASURES],
            optimizer=OPTIMIZER,
            seed=1,
            record_seed=1,
        )
        print(f"\n{model.summary(weights='abalone_weights')}\n")
        scored = model.score("abalones_test", out="abalones_scored", copy_vars=["rings"])
        print(f"{scored}\n")
        table = session.table("abalones_scored").to_numpy()
    network = sqrt(float(np.square(table["P_rings"] - table["rings"]).mean()))
    linear = linear_regression_error(train, test)
    print(f"root mean squared error of the network: {network:.3f} rings")
    print(f"root mean squared error of a linear regression: {linear:.3f} rings")
    if network >= linear:
        print("the network is no better than a line, expected it to be")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
