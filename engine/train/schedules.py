"""Learning-rate policies: pure functions of a moment of a run.

Source: the deepLearn optimizer options, with INV counted in weight updates as in Caffe's solver;
CYCLICLR and REDUCELRONPLATEAU are its published rate functions; COSINE and the warm-up are ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, floor, inf, pi

from engine.errors import LayerError, TrainingError
from engine.functions.function import LEARNING_RATE, evaluate, uses
from engine.train.algorithms import Algorithm


@dataclass(frozen=True)
class Moment:
    """A moment of a training run.

    Attributes:
        epoch: 0-based.
        max_epochs: epochs of the whole run.
        update: 0-based count of weight updates since the run began.
        updates: of an epoch.
        losses: of the epochs that have ended.
        rate: at the start of the epoch before; None in the first.
    """

    epoch: int
    max_epochs: int
    update: int
    updates: int = 1
    losses: Sequence[float] = ()
    rate: float | None = None


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


def cyclic(solver: Algorithm, moment: Moment) -> float:
    """Return a rate that rises and falls evenly between the initial one and maxLearningRate.

    With S = factor * updates of an epoch and c the 1-based count of updates:
    cycle = floor(1 + c / 2S), x = |c / S - 2 cycle + 1|, rate + (max - rate) max(0, 1 - x).

    Source: Smith (2017), the triangular policy.
    """
    top = solver.max_learning_rate
    assert top is not None  # noqa: S101 - CYCLICLR is not valid without
    half = moment.updates * solver.factor
    count = moment.update + 1
    cycle = floor(1 + count / (2 * half))
    x = abs(count / half - 2 * cycle + 1)
    return solver.learning_rate + (top - solver.learning_rate) * max(0.0, 1 - x)


def plateau(solver: Algorithm, moment: Moment) -> float:
    """Return rate * gamma^k, k the falls after more than ``patience`` epochs without a best loss.

    In ``coolDown`` epochs, at the start and after every fall, nothing is counted.
    """
    best, waited, cooling, falls = inf, 0, solver.cool_down, 0
    for loss in moment.losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if cooling:
            cooling, waited = cooling - 1, 0
        if waited > solver.patience:
            waited, cooling, falls = 0, solver.cool_down, falls + 1
    return solver.learning_rate * float(solver.gamma**falls)


def cosine(solver: Algorithm, moment: Moment) -> float:
    """Return min + (rate - min) (1 + cos(pi t / T)) / 2, t of the T updates of the run.

    Source: Loshchilov, Hutter (2017), equation 5, with one run.
    """
    least = min(solver.min_learning_rate, solver.learning_rate)
    part = min(1.0, moment.update / (moment.updates * moment.max_epochs))
    return least + (solver.learning_rate - least) * (1 + cos(pi * part)) / 2


def user(solver: Algorithm, moment: Moment) -> float:
    """Return what the caller's function says.

    Its arguments: rate of the epoch before, initRate, gamma, stepSize, iterNum the 0-based epoch,
    batch the 1-based mini-batch of the epoch, loss of the epochs that have ended.

    Raises:
        TrainingError: the function has no value there, or the rate is below zero.
    """
    text = solver.fcmp_learning_rate
    assert text is not None  # noqa: S101 - FCMP is not valid without
    rate = solver.learning_rate if moment.rate is None else moment.rate
    batch = moment.update - moment.epoch * moment.updates + 1
    turn = batch if uses(text, LEARNING_RATE, "batch") else 1
    first, step = solver.learning_rate, float(solver.step_size)
    losses = tuple(moment.losses)
    values = (rate, first, solver.gamma, step, float(moment.epoch), float(turn), losses)
    place = f"at epoch {moment.epoch + 1}, batch {batch}"
    try:
        found = evaluate(text, LEARNING_RATE, values)
    except LayerError as error:
        raise TrainingError(f"{error.message}, {place}", **error.details) from error
    if found < 0:
        raise TrainingError(
            f"option 'fcmpLearningRate' gave the rate {found:g} {place}, expected none below zero",
            got=found,
        )
    return found


SCHEDULES: dict[str, Callable[[Algorithm, Moment], float]] = {
    "FIXED": fixed,
    "STEP": step,
    "MULTISTEP": multistep,
    "POLY": poly,
    "INV": inv,
    "CYCLICLR": cyclic,
    "REDUCELRONPLATEAU": plateau,
    "COSINE": cosine,
    "FCMP": user,
}
"""Every policy by its wire name."""


def learning_rate(solver: Algorithm, moment: Moment) -> float:
    """Return the rate of a weight update.

    In the W updates of the ``warmUp`` epochs it is the policy's times (update + 1) / W.

    Source: Goyal et al. (2017), gradual warm-up.
    """
    # the name of a function that nobody found goes the same way, and is refused there
    policy = solver.learning_rate_policy if solver.fcmp_learning_rate is None else "FCMP"
    rate = SCHEDULES[policy](solver, moment)
    warming = solver.warm_up * moment.updates
    return rate * (moment.update + 1) / warming if moment.update < warming else rate


def epoch_rates(solver: Algorithm, epochs: int, updates_per_epoch: int = 1) -> list[float]:
    """Return the rate at the start of every epoch of a run, without training."""
    return [
        learning_rate(solver, Moment(epoch, epochs, epoch * updates_per_epoch, updates_per_epoch))
        for epoch in range(epochs)
    ]
