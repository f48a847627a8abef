import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import castorch
from tests.journeys.conftest import environment

README = Path(__file__).parents[2] / "README.md"


def walk_through() -> str:
    text = README.read_text().partition("<!-- walk-through -->")[2].partition("<!-- end -->")[0]
    return text.partition("```sh\n")[2].rpartition("```")[0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_walk_through_declares_trains_and_scores_with_curl_alone(url: str) -> None:
    script = "set -eu\n" + walk_through().replace("http://127.0.0.1:8080", url)

    done = subprocess.run(  # noqa: S603 - the text of our own README
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )

    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert all(answer["ok"] for answer in answers)
    score = dict(answers[-1]["tables"]["ScoreInfo"]["rows"])
    assert float(score["Number of Observations Read"]) == 400
    # the circle holds 0.36 pi / 4 = 28 % of the square: always "outside" would be wrong that often
    assert float(score["Misclassification Error (%)"]) < 10
    table = done.stdout.splitlines()[-6:]
    assert table[0].startswith('"x","y","place"')
    assert len(table) == 6


def test_the_python_of_the_readme_runs_after_the_walk_through(url: str) -> None:
    rows = [
        {"x": x / 5, "y": y / 5, "place": "inside" if x * x + y * y < 9 else "outside"}
        for x in range(-5, 5)
        for y in range(-5, 5)
    ]
    with castorch.connect(url) as client:
        client.session().upload("points", rows, replace=True)
    program = README.read_text().partition("```python\n")[2].partition("```")[0]

    done = subprocess.run(  # noqa: S603 - the text of our own README
        [sys.executable, "-c", program.replace("http://127.0.0.1:8080", url)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "hidden" in done.stdout
    assert "Misclassification Error" in done.stdout


def test_the_walk_through_uses_no_python() -> None:
    assert "python" not in walk_through().lower()
