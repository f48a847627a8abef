"""What a training run tells its followers, and when it has gone on long enough."""

from dataclasses import dataclass
from math import inf

from engine.train.config import Optimizer


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
