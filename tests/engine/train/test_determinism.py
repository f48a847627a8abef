import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine.train.cases import optimizer
from tests.engine.train.test_resume import BATCH, case

ROOT = Path(__file__).parents[3]


def digest() -> str:
    """Return the digest of the weights after a run with dropout, statistics and a drawn order."""
    one = case()
    one.train(optimizer("ADAM", rate=0.02, max_epochs=4), BATCH, record_seed=3, seed=5)
    return hashlib.sha256(one.weights.tobytes()).hexdigest()


def test_two_runs_give_the_same_bits() -> None:
    assert digest() == digest()


@pytest.mark.slow
def test_another_process_gives_the_same_bits() -> None:
    code = "import torch; torch.set_num_threads({}); from {} import digest; print(digest())"
    other = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-c", code.format(torch.get_num_threads(), __name__)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == digest()
