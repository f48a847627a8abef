"""The result tables of dlTune."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from actions.answers import description, result_table
from actions.deeplearn.search import Outcome
from actions.deeplearn.tune_params import Ranges, wire
from actions.results import Cell, ColumnType, ResultTable

if TYPE_CHECKING:
    from actions.deeplearn.dl_tune import DlTuneParams


def column(path: str) -> str:
    """Return the column of an option: ``algorithm.learning_rate`` becomes ``LearningRate``."""
    name = wire(path).rpartition(".")[2]
    return name[0].upper() + name[1:]


def options_table(
    p: "DlTuneParams", objective: str, ranges: Ranges, seeds: Mapping[str, int]
) -> ResultTable:
    """Return ``TuningOptions``: how was searched."""
    tuner = p.tuner
    rows: list[tuple[str, Cell]] = [
        ("Search Method", tuner.search_method),
        ("Objective", objective),
        ("Seed", seeds["search"]),
        ("Maximum Epochs", p.optimizer.max_epochs),
        ("Successive Halving", "Yes" if tuner.halving else "No"),
    ]
    if tuner.halving:
        rows += [
            ("Minimum Epochs", tuner.min_epochs),
            ("Reduction Factor", tuner.reduction_factor),
        ]
    for path, each in ranges.items():
        scale = " (logarithmic)" if each.is_logarithmic else ""
        values = ", ".join(map(repr, each.value_list)) or " to ".join(map(repr, each.corners))
        rows.append((f"Range of {column(path)}", values + scale))
    return description(rows, "Tuning Options")


def trials_table(outcomes: Sequence[Outcome], ranges: Ranges) -> ResultTable:
    """Return ``TuningHistory``: a row per trial, in the order they ran."""
    columns: list[tuple[str, ColumnType]] = [("Trial", "int64")]
    columns += [(column(path), "double") for path in ranges]
    columns += [("Epochs", "int64"), ("State", "string"), ("Objective", "double")]
    columns += [("BestObjective", "double"), ("Reason", "string")]
    rows: list[tuple[Cell, ...]] = []
    best: float | None = None
    for each in outcomes:
        if each.state == "complete" and each.objective is not None:
            best = each.objective if best is None else min(best, each.objective)
        values = [float(each.values[path]) for path in ranges]
        rows.append(
            (each.number, *values, each.epochs, each.state, each.objective, best, each.reason)
        )
    return result_table(columns, rows, "Tuning History")


def best_table(winner: Outcome) -> ResultTable:
    """Return ``BestParameters``: the values of the best trial."""
    rows = [(column(path), float(value)) for path, value in winner.values.items()]
    return result_table((("Parameter", "string"), ("Value", "double")), rows, "Best Parameters")


def history_rows(outcomes: Sequence[Outcome]) -> ResultTable:
    """Return ``TrainIterHistory``: a row per epoch of every trial."""
    names = {
        "Epoch": "epoch",
        "LearningRate": "learning_rate",
        "Loss": "loss",
        "FitError": "fit_error",
        "ValidLoss": "valid_loss",
        "ValidError": "valid_error",
    }
    columns: list[tuple[str, ColumnType]] = [("Trial", "int64"), ("Epoch", "int64")]
    columns += [(name, "double") for name in list(names)[1:]]
    rows = [
        (each.number, *(epoch[name] for name in names.values()))
        for each in outcomes
        for epoch in each.history
    ]
    return result_table(columns, rows, "Training History of the Trials")
