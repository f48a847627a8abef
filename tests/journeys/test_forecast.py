"""The examples on numbers, run against a server with small data of the same form."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.journeys.conftest import ROOT
from tests.journeys.test_examples import run


def errors(shown: str) -> tuple[float, float]:
    """Return the two errors an example prints: the network's, and that of what it is beside."""
    found = re.findall(r"root mean squared error of .*: ([\d.]+)", shown)
    assert len(found) == 2, shown
    return float(found[0]), float(found[1])


@pytest.mark.slow
def test_the_forecast_is_better_than_the_naive_one(url: str, tmp_path: Path) -> None:
    waves = np.sin(np.arange(240) / 3) + np.random.default_rng(1).normal(0, 0.05, 240)
    lines = ["date,value", *(f"{day},{value:.4f}" for day, value in enumerate(waves))]
    data = tmp_path / "waves.csv"
    data.write_text("\n".join(lines))

    script = str(ROOT / "examples" / "forecast.py")
    shown = run(
        *(sys.executable, script, "--data", str(data), "--url", url, "--out", "demo"),
        folder=tmp_path,
    )

    network, naive = errors(shown)
    assert network < naive / 2
    assert (tmp_path / "demo" / "forecast.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_network_for_abalones_is_better_than_a_line(url: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    rows = []
    for _ in range(400):
        measures = draw.uniform(0.1, 1.0, 7)
        sex = draw.choice(["M", "F", "I"])
        rings = 4 + 10 * measures[0] * measures[6] + 3 * (sex == "F") * measures[1]
        rows.append(",".join([sex, *(f"{each:.4f}" for each in measures), f"{rings:.3f}"]))
    data = tmp_path / "abalone.csv"
    data.write_text("\n".join(rows))

    script = str(ROOT / "examples" / "abalone.py")
    shown = run(sys.executable, script, "--data", str(data), "--url", url, folder=tmp_path)

    network, line = errors(shown)
    assert network < line
