"""The program that a DLPy user would write runs as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "dlpy_lenet.py"


@pytest.mark.slow
def test_a_plain_program_trains_a_lenet_on_digits_and_evaluates_it(url: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CAS")}

    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, "-W", "ignore", str(SCRIPT), url],
        check=False,
        capture_output=True,
        text=True,
        env={**clean, "MPLBACKEND": "Agg"},
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    assert "NOTE: Model compiled successfully." in done.stdout
    error = re.search(r"misclassification of digits held out: ([\d.]+) %", done.stdout)
    assert error is not None
    assert float(error[1]) < 10
