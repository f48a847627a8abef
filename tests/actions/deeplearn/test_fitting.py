"""The mini-batch that is told where one did not fit."""

from pathlib import Path
from typing import Any

import pytest

from actions import run_action
from actions.deeplearn.dl_train import DlTrainParams
from actions.deeplearn.fitting import batch_told, fitting_rows
from actions.deeplearn.training import Training
from actions.memory import MemoryStores
from actions.spelling import from_wire
from engine.errors import MemoryExhausted
from tests.actions.house import SMALL_DNN, build, put

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    ("free", "fixed", "row", "rows", "fits"),
    [
        (2000, 100, 10, 4096, 32),  # (500 - 100) / 10 = 40 rows
        (2000, 100, 10, 40, 16),  # never more than half of what did not fit
        (2000, 100, 10, 1, 0),
        (2000, 500, 10, 4096, 0),
        (200, 500, 10, 4096, 0),
        (2000, 0, 0, 4096, 256),  # a row counts as a byte at least
    ],
)
def test_a_quarter_of_the_free_memory_is_given_to_a_power_of_two(
    free: int, fixed: int, row: int, rows: int, fits: int
) -> None:
    assert fitting_rows(free, fixed, row, rows) == fits


def training(root: Path, limit: int | None, **optimizer: Any) -> Training:
    ctx = MemoryStores(root).context(memory_bytes=limit)
    build(lambda action, /, **raw: run_action(ctx, action, raw), SMALL_DNN)
    put(ctx, "points", {"x": [1.0, 2.0], "y": [0.0, 1.0]})
    raw: dict[str, Any] = {
        "table": "points",
        "model": "net",
        "inputs": ["x"],
        "target": "y",
        "modelWeights": "weights",
        "optimizer": optimizer,
    }
    params = from_wire(DlTrainParams, raw, place="dlTrain", warn=lambda _: None)
    return Training(ctx, params, "cpu")


# The network: activations 1 (data) + 4 (fc1) + 1 (out) = 6 a row, in float32, value and gradient:
# 48 bytes a row. Parameters: 8 (fc1) + 5 (out) = 13, three times in float32: 156 bytes.


@pytest.mark.parametrize(
    ("limit", "free", "message", "size"),
    [
        (
            700 * MEBIBYTE,
            200 * MEBIBYTE,
            (
                "training does not fit into the 700 MB of a job: a mini-batch of 16777216 rows "
                "needs at least 769 MB, of which 200 MB were free; miniBatchSize 1048576 would fit"
            ),
            1048576,  # (52428800 - 156) / 48 = 1092263 rows
        ),
        (
            None,
            300,
            (
                "training does not fit into the memory there is: a mini-batch of 16777216 rows "
                "needs at least 769 MB, of which 1 MB were free; use a smaller model"
            ),
            None,  # (75 - 156) / 48 < 1
        ),
    ],
)
def test_the_mini_batch_that_would_fit_is_told(
    limit: int | None,
    free: int,
    message: str,
    size: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actions.deeplearn.fitting.free_bytes", lambda *_: free)
    work = training(tmp_path, limit, miniBatchSize=1 << 24)

    with pytest.raises(MemoryExhausted) as caught, batch_told(work):
        raise MemoryError

    assert caught.value.message == message
    assert caught.value.details == {
        "batch_rows": 1 << 24,
        "needed_bytes": 156 + 48 * (1 << 24),
        "free_bytes": free,
        "limit_bytes": limit,
        "mini_batch_size": size,
    }


def test_threads_share_the_mini_batch_that_would_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.deeplearn.fitting.free_bytes", lambda *_: 200 * MEBIBYTE)
    work = training(tmp_path, None, miniBatchSize=1 << 22)
    work.p = work.p.model_copy(update={"n_threads": 4})

    with pytest.raises(MemoryExhausted) as caught, batch_told(work):
        raise MemoryError

    assert caught.value.details["mini_batch_size"] == 1048576 // 4
