import io

import pytest

from castorch import JobEvent
from castorch._progress import BarProgress, LineProgress, describe_numbers, show_progress

EPOCH = {
    "epoch": 0,
    "epochs": 2,
    "loss": 0.5,
    "fit_error": 0.125,
    "valid_loss": 0.75,
    "valid_error": 0.25,
    "seconds": 1.5,
}
EVENTS = [
    JobEvent("state", {"state": "running"}),
    JobEvent("note", {"text": "431,080 parameters"}),
    JobEvent("batch", {"epoch": 0, "batch": 1, "batches": 4, "loss": 0.9, "fit_error": 0.5}),
    JobEvent("epoch", EPOCH),
    JobEvent("progress", {"rows": 1200, "of": 1437}),
    JobEvent("something new", {}),
    JobEvent("state", {"state": "done"}),
]


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


def test_numbers_are_shown_with_four_digits_and_left_out_where_missing() -> None:
    assert describe_numbers(EPOCH) == (
        "loss 0.5000  error 0.1250  valid loss 0.7500  valid error 0.2500"
    )
    assert describe_numbers({"loss": 1, "fit_error": None}) == "loss 1.0000"


def test_without_a_terminal_there_is_a_line_an_epoch() -> None:
    stream = io.StringIO()
    progress = show_progress("training net", stream=stream)

    with progress:
        for event in EVENTS:
            progress.report(event)

    assert isinstance(progress, LineProgress)
    assert stream.getvalue().splitlines() == [
        "training net: running",
        "training net: 431,080 parameters",
        (
            "training net: epoch 1/2  loss 0.5000  error 0.1250  valid loss 0.7500  "
            "valid error 0.2500  1.5 s"
        ),
        "training net: done",
    ]


def test_on_a_terminal_there_is_a_bar_with_the_latest_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = show_progress("training net", stream=stream)

    with progress:
        for event in EVENTS[:4]:
            progress.report(event)

    assert isinstance(progress, BarProgress)
    shown = stream.getvalue()
    assert "431,080 parameters" in shown
    assert "training net" in shown
    assert "epoch 1/2" in shown
    assert "valid error 0.2500" in shown


def test_the_bar_shows_rows_and_states_of_work_without_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    stream = Terminal()
    progress = BarProgress("scoring net", stream)

    with progress:
        progress.report(EVENTS[0])
        progress.report(EVENTS[4])
        progress.report(EVENTS[5])

    assert "1,200 rows" in stream.getvalue()


def test_without_rich_a_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("castorch._progress.find_spec", lambda _: None)

    assert isinstance(show_progress("t", stream=Terminal()), LineProgress)


def test_a_model_without_a_number_of_epochs_counts_them() -> None:
    stream = io.StringIO()
    progress = LineProgress("t", stream)

    for _ in range(2):
        progress.report(JobEvent("epoch", {"loss": 1.0}))

    assert stream.getvalue() == "t: epoch 1  loss 1.0000\nt: epoch 2  loss 1.0000\n"
