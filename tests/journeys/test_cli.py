import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.conftest import environment, points

DECLARATION = """
model: disc
type: DNN
layers:
  - {name: data, type: input, std: STD}
  - {name: fc1, type: fc, n: 16, act: TANH}
  - {name: out, type: output, n: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a declaration and the points as CSV."""
    (tmp_path / "disc.yaml").write_text(DECLARATION)
    data = points()
    with (tmp_path / "disc_points.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(data)
        writer.writerows(zip(*data.values(), strict=True))
    return tmp_path


def run(url: str, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "castorch", *argv],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment() | {"CASTORCH_URL": url},
        check=False,
    )


def test_a_model_is_declared_trained_and_scored_from_the_command_line(
    url: str, folder: Path
) -> None:
    def well(*argv: str) -> str:
        done = run(url, folder, *argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "fc1" in well("summary", "disc.yaml")
    assert "DISC" not in well("models")
    assert well("declare", "disc.yaml", "--replace") == "model 'disc' was declared\n"
    assert re.search(r"^DISC ", well("models"), re.MULTILINE)
    assert well("upload", "disc_points.csv", "--replace") == "table 'disc_points' has 400 rows\n"
    trained = well(
        *("train", "--table", "disc_points", "--model", "disc", "--target", "label"),
        *("--inputs", "x,y", "--nominals", "label", "--epochs", "30", "--batch", "20"),
        *("--method", "ADAM", "--learning-rate", "0.02", "--seed", "1", "--json"),
    )
    assert len(json.loads(trained)) == 30
    scored = well(
        *("score", "--table", "disc_points", "--model", "disc", "--out", "disc_scored", "--json")
    )
    assert json.loads(scored)["Misclassification Error (%)"] < 10
    assert well("fetch", "disc_scored", "--out", "scored.csv") == "wrote scored.csv\n"
    assert len((folder / "scored.csv").read_text().splitlines()) == 401
    assert "DISC_WEIGHTS" in well("tables")
    assert "deepLearn.dlScore" in well("jobs")


def test_a_mistake_is_one_line_and_status_1(url: str, folder: Path) -> None:
    done = run(url, folder, "summary", "nothing")

    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"castorch: .*'nothing'.*\n", done.stderr)


def test_a_server_that_is_not_there_is_told(folder: Path) -> None:
    done = run("http://127.0.0.1:9", folder, "models")

    assert done.returncode == 1
    assert done.stderr.startswith("castorch: no connection to the server at http://127.0.0.1:9: ")


def test_the_help_lists_the_commands_of_client_and_server(folder: Path) -> None:
    done = run("", folder, "--help")

    assert done.returncode == 0
    for name in ("summary", "train", "serve", "worker", "migrate", "token"):
        assert re.search(rf"^ +{name} ", done.stdout, re.MULTILINE), name


def test_the_table_of_vgg16_is_printed_without_making_a_model(url: str, folder: Path) -> None:
    # deepLearn reference 5.2: the rows of the first block and of the fully connected layers
    done = run(url, folder, "summary", "vgg16")

    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    cells = {row[1]: set(row) for row in rows if len(row) > 6}
    assert {"224", "64", "1,728", "3,211,264"} <= cells["conv1_1"]
    assert {"224", "64", "36,864", "3,211,264"} <= cells["conv1_2"]
    assert {"112", "64", "0", "802,816"} <= cells["pool1"]
    assert {"4096", "102,760,448", "4,096"} <= cells["fc6"]
    assert {"4096", "16,777,216", "4,096"} <= cells["fc7"]
    assert {"1000", "4,096,000"} <= cells["out"]
    assert "Total parameters: 138,357,544" in done.stdout
    assert "vgg16" not in run(url, folder, "models").stdout
