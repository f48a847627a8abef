"""Epochs and mini-batches as events for followers, and epochs as ``OptIterHistory``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from actions.answers import result_table
from actions.context import Context
from actions.results import Cell, ColumnType, Json, ResultTable
from engine.train.history import BatchEvent, EpochEvent, TrainEvent

if TYPE_CHECKING:
    from actions.deeplearn.dl_train import DlTrainParams


def report(ctx: Context, event: TrainEvent, epochs: int) -> None:
    """Tell the followers of a job what the trainer told us."""
    data: dict[str, Json] = {
        "epoch": event.epoch,
        "epochs": epochs,
        "learningRate": event.learning_rate,
        "loss": event.loss,
        "fitError": event.fit_error,
    }
    if isinstance(event, BatchEvent):
        del data["epochs"]
        ctx.report(
            "batch", {**data, "batch": event.batch, "batches": event.batches, "rows": event.rows}
        )
        return
    optional: dict[str, float | None] = {
        "validLoss": event.valid_loss,
        "validError": event.valid_error,
        "l1Norm": event.l1_norm,
        "l2Norm": event.l2_norm,
    }
    data.update({name: value for name, value in optional.items() if value is not None})
    ctx.report("epoch", {**data, "seconds": event.seconds})


def history_table(history: Sequence[EpochEvent], p: "DlTrainParams") -> ResultTable:
    """Return ``OptIterHistory``: a row per epoch.

    Norms have a column when there is a penalty on them, validation when there is a table for it.

    Source: the deepLearn reference, result tables of dlTrain (1.5).
    """
    columns: list[tuple[str, ColumnType]] = [("Epoch", "int64"), ("LearningRate", "double")]
    columns += [("Loss", "double"), ("FitError", "double")]
    if p.optimizer.reg_l1:
        columns.append(("L1Norm", "double"))
    if p.optimizer.reg_l2:
        columns.append(("L2Norm", "double"))
    if p.valid_table is not None:
        columns += [("ValidLoss", "double"), ("ValidError", "double")]
    rows = [tuple(_cell(epoch, name) for name, _ in columns) for epoch in history]
    return result_table(columns, rows, "Optimization History")


def _cell(epoch: EpochEvent, name: str) -> Cell:
    values: dict[str, Cell] = {
        "Epoch": epoch.epoch,
        "LearningRate": epoch.learning_rate,
        "Loss": epoch.loss,
        "FitError": epoch.fit_error,
        "L1Norm": epoch.l1_norm,
        "L2Norm": epoch.l2_norm,
        "ValidLoss": epoch.valid_loss,
        "ValidError": epoch.valid_error,
    }
    return values[name]
