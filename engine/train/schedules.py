"""Learning-rate policies: pure functions of the epoch and the count of weight updates.

Source: the deepLearn optimizer options, with INV counted in weight updates as in Caffe's solver.
"""

from collections.abc import Callable
from dataclasses import dataclass

from engine.train.config import Algorithm


@dataclass(frozen=True)
class Moment:
    """A moment of a training run.

    Attributes:
        epoch: 0-based.
        max_epochs: epochs of the whole run.
        update: 0-based count of weight updates since the run began.
    """

    epoch: int
    max_epochs: int
    update: int


def fixed(solver: Algorithm, moment: Moment) -> float:
    """Return the initial rate."""
    del moment
    return solver.learning_rate


def step(solver: Algorithm, moment: Moment) -> float:
    """Return rate * gamma^floor(epoch / stepSize)."""
    return solver.learning_rate * float(solver.gamma ** (moment.epoch // solver.step_size))


def multistep(solver: Algorithm, moment: Moment) -> float:
    """Return rate * gamma^k, k the number of ``steps`` that are not above the epoch."""
    passed = sum(moment.epoch >= boundary for boundary in solver.steps)
    return solver.learning_rate * float(solver.gamma**passed)


def poly(solver: Algorithm, moment: Moment) -> float:
    """Return rate * (1 - epoch / maxEpochs)^power."""
    return solver.learning_rate * float((1 - moment.epoch / moment.max_epochs) ** solver.power)


def inv(solver: Algorithm, moment: Moment) -> float:
    """Return rate * (1 + gamma * update)^-power."""
    return solver.learning_rate * float((1 + solver.gamma * moment.update) ** -solver.power)


SCHEDULES: dict[str, Callable[[Algorithm, Moment], float]] = {
    "FIXED": fixed,
    "STEP": step,
    "MULTISTEP": multistep,
    "POLY": poly,
    "INV": inv,
}
"""Every policy by its wire name."""


def learning_rate(solver: Algorithm, moment: Moment) -> float:
    """Return the rate of a weight update."""
    return SCHEDULES[solver.learning_rate_policy](solver, moment)


def epoch_rates(solver: Algorithm, epochs: int, updates_per_epoch: int = 1) -> list[float]:
    """Return the rate at the start of every epoch of a run, without training."""
    return [
        learning_rate(solver, Moment(epoch, epochs, epoch * updates_per_epoch))
        for epoch in range(epochs)
    ]
