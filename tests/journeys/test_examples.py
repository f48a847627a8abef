import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.conftest import ROOT, environment


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own examples
        command, capture_output=True, text=True, cwd=folder, env=environment(), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_demo_reaches_three_percent_and_draws_its_curves(tmp_path: Path) -> None:
    shown = run(sys.executable, str(ROOT / "scripts" / "demo.py"), "--out", "demo", folder=tmp_path)

    found = re.search(r"error on the digits held out: ([\d.]+) %", shown)
    assert found is not None, shown
    assert float(found[1]) <= 3.0
    assert (tmp_path / "demo" / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_corners_of_digits_are_found_within_a_pixel_and_a_half(
    url: str, tmp_path: Path
) -> None:
    script = ROOT / "examples" / "keypoints.py"

    shown = run(sys.executable, str(script), "--url", url, "--out", "drawn", folder=tmp_path)

    found = re.search(r"mean error of a corner: ([\d.]+) pixels", shown)
    assert found is not None, shown
    assert float(found[1]) <= 1.5
    assert (tmp_path / "drawn" / "keypoints.png").read_bytes().startswith(b"\x89PNG")
