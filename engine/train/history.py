"""What a training run tells its followers, and when it has gone on long enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from engine.train.config import Metric, Optimizer


@dataclass(frozen=True)
class BatchEvent:
    """A mini-batch was trained on.

    Attributes:
        epoch: 0-based.
        batch: 1-based, of ``batches``.
        rows: observations of the mini-batch.
        loss: mean over its rows, before its update, without penalties.
    """

    epoch: int
    batch: int
    batches: int
    rows: int
    learning_rate: float
    loss: float
    fit_error: float


@dataclass(frozen=True)
class EpochEvent:
    """An epoch ended.

    Attributes:
        epoch: 0-based.
        learning_rate: at the start of the epoch.
        loss: mean over its rows as they were trained on, without penalties.
        fit_error: fraction misclassified, or mean squared error in the units of the encoded target.
        l1_norm: regL1 * sum |w| at its end, over weights without biases; None without regL1.
        l2_norm: regL2 / 2 * sum w^2 at its end; None without regL2.
        valid_loss: of the validation table, None in epochs without validation.
        seconds: wall time.
    """

    epoch: int
    learning_rate: float
    loss: float
    fit_error: float
    l1_norm: float | None
    l2_norm: float | None
    valid_loss: float | None
    valid_error: float | None
    seconds: float


EpochRecord = EpochEvent
TrainEvent = BatchEvent | EpochEvent


class Stopping:
    """Says when a run is to stop before its last epoch.

    An epoch is no improvement if its loss is not below the previous one's by more than
    ``threshold`` times its own size; ``stagnation`` such epochs in a row end the run. So does a
    relative change below ``fConv``.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.previous = inf
        self.stagnant = 0

    def state(self) -> dict[str, float | None]:
        """Return what is remembered, to go on from."""
        previous = None if self.previous == inf else self.previous
        return {"previous": previous, "stagnant": self.stagnant}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was remembered once."""
        self.previous = inf if state["previous"] is None else state["previous"]
        self.stagnant = state["stagnant"]

    def reason(self, loss: float) -> str | None:
        """Take the loss of an epoch and return why to stop after it, or None to go on."""
        previous, self.previous = self.previous, loss
        if previous == inf:
            return None
        options = self.optimizer
        improved = previous - loss > abs(loss) * options.threshold
        self.stagnant = 0 if improved else self.stagnant + 1
        if options.stagnation and self.stagnant >= options.stagnation:
            return f"stagnation: {self.stagnant} epochs in a row without improvement"
        if options.f_conv and abs(previous - loss) < options.f_conv * abs(previous):
            return "fConv: the relative change of the loss fell below the limit"
        return None


class Watch:
    """Knows the best epoch by one metric, and how long ago it was.

    Args:
        optimizer: says which metric, and how many epochs without a new best end the run.
        validates: whether there is a validation table.
    """

    def __init__(self, optimizer: Optimizer, *, validates: bool) -> None:
        default: Metric = "VALIDLOSS" if validates else "LOSS"
        self.metric = optimizer.stop_metric or default
        self.patience = optimizer.early_stopping
        self.best = inf
        self.best_epoch = 0
        self.since = 0

    def is_best(self, record: EpochRecord) -> bool:
        """Take an epoch and return whether it is the best so far; one without the metric is not."""
        values = {
            "LOSS": record.loss,
            "FITERROR": record.fit_error,
            "VALIDLOSS": record.valid_loss,
            "VALIDERROR": record.valid_error,
        }
        value = values[self.metric]
        if value is not None and value < self.best:
            self.best, self.best_epoch, self.since = value, record.epoch, 0
            return True
        self.since += 1
        return False

    def reason(self) -> str | None:
        """Return why to stop now, or None to go on."""
        if not self.patience or self.since < self.patience:
            return None
        return f"earlyStopping: {self.since} epochs in a row without a new best {self.metric}"

    def state(self) -> dict[str, float | None]:
        """Return what is remembered, to go on from."""
        best = None if self.best == inf else self.best
        return {"best": best, "best_epoch": self.best_epoch, "since": self.since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was remembered once."""
        self.best = inf if state["best"] is None else state["best"]
        self.best_epoch, self.since = state["best_epoch"], state["since"]
