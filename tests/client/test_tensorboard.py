"""Event files, read back with TensorBoard's own reader."""

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from castorch import Job, MissingExtra
from tests.client.fakes import FakeServer, job

PATH = "/v1/jobs/j1/metrics"


def at(second: int) -> str:
    return f"2030-01-02T03:04:{second:02}+00:00"


EPOCHS = [
    {"epoch": 0, "epochs": 2, "loss": 3.0, "learningRate": 0.5, "time": at(2)},
    {"epoch": 1, "epochs": 2, "loss": 1.5, "validLoss": 2.5, "seconds": 2.0, "time": at(4)},
]
BATCHES = [
    {"epoch": 0, "batch": 1, "batches": 2, "rows": 8, "loss": 4.0, "time": at(1)},
    {"epoch": 0, "batch": 2, "batches": 2, "rows": 8, "loss": 2.0, "time": at(2)},
    {"epoch": 1, "batch": 1, "batches": 2, "rows": 8, "loss": 9.0, "time": at(3)},
    {"epoch": 1, "batch": 1, "batches": 2, "rows": 8, "loss": 1.0, "time": at(4)},
]


def job_with(*answers: list[dict[str, object]]) -> Job:
    """Return a job whose numbers come in these answers, epochs before batches."""
    pages = [{"metrics": answer, "cursor": None} for answer in answers]
    return Job(FakeServer({f"GET {PATH}": pages}).transport(), job("done"))


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_the_scalars_of_epochs_and_batches_are_there_with_steps_and_times(tmp_path: Path) -> None:
    folder = job_with([*EPOCHS], [*BATCHES]).export_events(tmp_path / "logs")

    found = read(folder)
    assert folder == tmp_path / "logs" / "j1"
    assert sorted(found.Tags()["scalars"]) == [
        "batch/loss",
        "epoch/learning_rate",
        "epoch/loss",
        "epoch/seconds",
        "epoch/valid_loss",
    ]
    losses = [(each.step, each.value) for each in found.Scalars("epoch/loss")]
    assert losses == [(0, 3.0), (1, 1.5)]
    # 2030-01-02 03:04:02 UTC
    assert found.Scalars("epoch/loss")[0].wall_time == 1893553442.0
    assert [(each.step, each.value) for each in found.Scalars("epoch/valid_loss")] == [(1, 2.5)]


def test_a_step_that_a_later_attempt_took_again_counts_once(tmp_path: Path) -> None:
    folder = job_with([*EPOCHS], [*BATCHES]).export_events(tmp_path)

    losses = [(each.step, each.value) for each in read(folder).Scalars("batch/loss")]

    assert losses == [(0, 4.0), (1, 2.0), (2, 1.0)]


def test_exporting_again_replaces_what_was_there(tmp_path: Path) -> None:
    job_with([EPOCHS[0]], []).export_events(tmp_path)

    folder = job_with([*EPOCHS], []).export_events(str(tmp_path))

    assert len(list(folder.iterdir())) == 1
    assert len(read(folder).Scalars("epoch/loss")) == 2


def test_without_tensorboard_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "tensorboard":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)

    with pytest.raises(MissingExtra) as caught:
        job_with([*EPOCHS], []).export_events(tmp_path)

    assert caught.value.message == (
        "exporting to TensorBoard needs the package "
        "'tensorboard.summary.writer.event_file_writer', which is not installed; "
        "pip install 'castorch[tensorboard]'"
    )
