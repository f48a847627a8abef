"""The history of a job as event files, which TensorBoard shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castorch._extras import need

if TYPE_CHECKING:
    from castorch._job import Job

SUFFIX = ".castorch"
"""Ending of the event files written here."""
PLACES = frozenset({"epoch", "epochs", "batch", "batches", "rows", "time"})
"""Numbers that say where a measurement was taken, and are none themselves."""


def export_events(job: Job, folder: str | Path) -> Path:
    """Write what a job measured for TensorBoard, and return the folder of its event file.

    Scalars are called ``epoch/loss``, ``batch/loss`` and so on; the step of an epoch is its number,
    that of a mini-batch its number since the beginning of the run. A file of an earlier export of
    the same job is replaced.

    Args:
        job: a training, which may still run.
        folder: the log folder of TensorBoard; the job gets a folder of its id in it.

    Raises:
        MissingExtra: TensorBoard is not installed.
        JobNotFound: the server keeps no such job.
    """
    writers = _module("tensorboard.summary.writer.event_file_writer")
    events, summaries = (
        _module(f"tensorboard.compat.proto.{name}_pb2") for name in ("event", "summary")
    )
    measured = list(_measured(job))
    place = Path(folder) / job.id
    for old in place.glob(f"events.out.tfevents.*{SUFFIX}"):
        old.unlink()
    writer = writers.EventFileWriter(str(place), filename_suffix=SUFFIX)
    for tag, step, moment, value in measured:
        scalar = summaries.Summary.Value(tag=tag, simple_value=value)
        summary = summaries.Summary(value=[scalar])
        writer.add_event(events.Event(wall_time=moment, step=step, summary=summary))
    writer.close()
    return place


def _module(name: str) -> Any:
    return need(name, "exporting to TensorBoard", extra="tensorboard")


def _measured(job: Job) -> Iterator[tuple[str, int, float, float]]:
    """Yield tag, step, time and value of every number; of repeated steps the last."""
    for kind in ("epoch", "batch"):
        steps = {_step(kind, each): each for each in job.metrics(kind)}
        for step, each in sorted(steps.items()):
            moment = datetime.fromisoformat(each["time"]).timestamp()
            for name, value in each.items():
                if name not in PLACES and value is not None:
                    yield f"{kind}/{name}", step, moment, float(value)


def _step(kind: str, measured: Mapping[str, Any]) -> int:
    epoch = int(measured["epoch"])
    if kind == "epoch":
        return epoch
    return epoch * int(measured["batches"]) + int(measured["batch"]) - 1
