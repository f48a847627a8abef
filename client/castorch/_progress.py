"""Progress of long work for people: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar

    from castorch._job import JobEvent

NUMBERS = {
    "loss": "loss",
    "fit_error": "error",
    "valid_loss": "valid loss",
    "valid_error": "valid error",
}


class Progress(Protocol):
    """Something that shows the events of a job between its beginning and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def report(self, event: JobEvent) -> None:
        """Take note of an event."""


def show_progress(title: str, *, stream: TextIO | None = None) -> Progress:
    """Return a bar where a terminal and the package rich are at hand, else plain lines.

    Args:
        title: what is going on, such as ``training lenet``.
        stream: where to show it; None is standard error.
    """
    target = sys.stderr if stream is None else stream
    if target.isatty() and find_spec("rich") is not None:
        return BarProgress(title, target)
    return LineProgress(title, target)


def describe_numbers(data: Mapping[str, Any]) -> str:
    """Return the losses and errors of an event in one line: ``loss 0.1234  error 0.0312``."""
    return "  ".join(
        f"{label} {data[name]:.4f}" for name, label in NUMBERS.items() if data.get(name) is not None
    )


class LineProgress:
    """One line per epoch, note and change of state."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        self._epochs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.flush()

    def report(self, event: JobEvent) -> None:
        """Write the line an event is worth, if any."""
        if event.kind == "epoch":
            self._epochs += 1
            of = f"/{event.data['epochs']}" if event.data.get("epochs") else ""
            self._write(f"epoch {self._epochs}{of}  {describe_numbers(event.data)}{_took(event)}")
        elif event.kind == "note":
            self._write(str(event.data.get("text", "")))
        elif event.kind == "state":
            self._write(str(event.data.get("state", "")))

    def _write(self, text: str) -> None:
        self._stream.write(f"{self._title}: {text}\n")


def _took(event: JobEvent) -> str:
    seconds = event.data.get("seconds")
    return "" if seconds is None else f"  {seconds:.1f} s"


class BarProgress:
    """A bar over all epochs, with the latest numbers and the time left."""

    def __init__(self, title: str, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar: RichBar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[place]}"),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            console=Console(file=stream),
        )
        self._task = self._bar.add_task(title, total=None, place="waiting", numbers="")
        self._epochs = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def report(self, event: JobEvent) -> None:
        """Move the bar, or write a line above it."""
        show = {
            "epoch": self._epoch,
            "batch": self._batch,
            "progress": self._rows,
            "note": self._note,
            "state": self._state,
        }.get(event.kind)
        if show is not None:
            show(event.data)

    def _epoch(self, data: Mapping[str, Any]) -> None:
        self._epochs += 1
        total = data.get("epochs")
        self._bar.update(
            self._task,
            total=total,
            completed=self._epochs,
            place=f"epoch {self._epochs}" + (f"/{total}" if total else ""),
            numbers=describe_numbers(data),
        )

    def _batch(self, data: Mapping[str, Any]) -> None:
        share = data["batch"] / data["batches"] if data.get("batches") else 0.0
        self._bar.update(self._task, completed=self._epochs + min(share, 1.0))
        if self._epochs == 0:
            self._bar.update(self._task, place="epoch 1", numbers=describe_numbers(data))

    def _rows(self, data: Mapping[str, Any]) -> None:
        self._bar.update(
            self._task,
            total=data.get("of"),
            completed=data.get("rows", 0),
            place=f"{data.get('rows', 0):,} rows",
        )

    def _note(self, data: Mapping[str, Any]) -> None:
        self._bar.console.print(str(data.get("text", "")), markup=False, highlight=False)

    def _state(self, data: Mapping[str, Any]) -> None:
        if self._epochs == 0:
            self._bar.update(self._task, place=str(data.get("state", "")))
