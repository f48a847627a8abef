import re
import shutil
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


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_alone_declares_trains_scores_and_fetches(url: str, tmp_path: Path) -> None:
    script = ROOT / "examples" / "curl_walkthrough.sh"

    shown = run("sh", str(script), url, folder=tmp_path)

    found = re.search(r'"Misclassification Error \(%\)","([\d.]+)"', shown)
    assert found is not None, shown
    assert float(found[1]) < 10
    assert len(shown.strip().splitlines()[-1].split(",")) >= 5


@pytest.mark.slow
def test_the_demo_reaches_three_percent_and_draws_its_curves(tmp_path: Path) -> None:
    shown = run(sys.executable, str(ROOT / "scripts" / "demo.py"), "--out", "demo", folder=tmp_path)

    found = re.search(r"error on the digits held out: ([\d.]+) %", shown)
    assert found is not None, shown
    assert float(found[1]) <= 3.0
    assert (tmp_path / "demo" / "curves.png").read_bytes().startswith(b"\x89PNG")
