"""Points of a search space, and who may go on: the samplers and the pruner of Optuna.

All points of a search are drawn before its first trial, so they depend on the seed alone: not on
what trials find, and not on how often the search was taken up again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from actions.deeplearn.tune_params import Number, Range, Ranges, Tuner, Values, is_whole
from actions.errors import InvalidParameters
from engine.later import Later

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial, TrialState
else:
    optuna = Later("optuna")

STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
"""States of a trial by what Optuna calls them."""

MOST_POINTS = 10_000
"""Points of the largest grid."""


def distributions(ranges: Ranges) -> "dict[str, BaseDistribution]":
    """Return the ranges as Optuna has them."""
    return {path: _distribution(path, each) for path, each in ranges.items()}


def _distribution(path: str, each: Range) -> "BaseDistribution":
    if each.value_list:
        return optuna.distributions.CategoricalDistribution(each.value_list)
    low, high = each.corners
    if is_whole(path):
        return optuna.distributions.IntDistribution(int(low), int(high), log=each.is_logarithmic)
    return optuna.distributions.FloatDistribution(float(low), float(high), log=each.is_logarithmic)


def points(ranges: Ranges, tuner: Tuner, trials: int, seed: int) -> list[Values]:
    """Return the values of every trial.

    Args:
        ranges: what is searched.
        tuner: how.
        trials: how many, but for a grid.
        seed: of what is drawn; of a grid, the order.

    Raises:
        InvalidParameters: a grid has too many points.
    """
    if tuner.search_method == "GRID":
        return _grid(ranges, tuner.grid_points, seed)
    if tuner.search_method == "LHS":
        found = _hypercube(ranges, trials, seed)
    else:
        found = _asked(optuna.samplers.RandomSampler(seed=seed), ranges, trials)
    first = {path: each.value for path, each in ranges.items() if each.value is not None}
    return [{**found[0], **first}, *found[1:]]


def _asked(sampler: "optuna.samplers.BaseSampler", ranges: Ranges, trials: int) -> list[Values]:
    study = _study(sampler=sampler)
    space = distributions(ranges)
    return [_numbers(study.ask(space).params) for _ in range(trials)]


def _study(**given: Any) -> "optuna.Study":
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every trial otherwise
    return optuna.create_study(**given)


def _numbers(params: Mapping[str, Any]) -> Values:
    return dict(params)


def _grid(ranges: Ranges, most: int, seed: int) -> list[Values]:
    axes = {path: _axis(path, each, most) for path, each in ranges.items()}
    size = prod(len(axis) for axis in axes.values())
    if size > MOST_POINTS:
        raise InvalidParameters(
            f"parameter 'optimizer' got a grid of {size} points, expected at most {MOST_POINTS}; "
            "take fewer 'gridPoints', or LHS",
            parameter="optimizer",
            got=size,
        )
    return _asked(optuna.samplers.GridSampler(axes, seed=seed), ranges, size)


def _axis(path: str, each: Range, most: int) -> list[Number]:
    """Return the points of one range, evenly between its bounds, each once."""
    if each.value_list:
        return list(dict.fromkeys(each.value_list))
    low, high = each.corners
    if each.is_logarithmic:
        values = np.geomspace(low, high, most).tolist()
    else:
        values = np.linspace(low, high, most).tolist()
    values = [low, *values[1:-1], high, *([] if each.value is None else [each.value])]
    return sorted({round(v) if is_whole(path) else float(v) for v in values})


def _hypercube(ranges: Ranges, trials: int, seed: int) -> list[Values]:
    """Return points of which each lies in a slice of its own of every range.

    Source: McKay, Beckman and Conover, "A comparison of three methods for selecting values of input
    variables in the analysis of output from a computer code", 1979.
    """
    draw = np.random.default_rng(seed)
    shares = {path: (draw.permutation(trials) + draw.random(trials)) / trials for path in ranges}
    return [
        {path: _at(path, each, float(shares[path][place])) for path, each in ranges.items()}
        for place in range(trials)
    ]


def _at(path: str, each: Range, share: float) -> Number:
    """Return the value at a share, from 0 up to 1, of a range."""
    if each.value_list:
        return each.value_list[int(share * len(each.value_list))]
    low, high = each.corners
    if is_whole(path):
        first, last = low - 0.5, high + 0.5
        value = _between(first, last, share, logarithmic=each.is_logarithmic)
        return min(max(round(value), int(low)), int(high))
    return min(max(_between(low, high, share, logarithmic=each.is_logarithmic), low), high)


def _between(low: float, high: float, share: float, *, logarithmic: bool) -> float:
    if logarithmic:
        return exp(log(low) + share * (log(high) - log(low)))
    return low + share * (high - low)


@dataclass
class Outcome:
    """How one trial went.

    Attributes:
        number: from 1.
        values: what was tried.
        state: complete, pruned when it fell behind, or failed.
        objective: None of a failed trial.
        reason: why it ended.
        history: its epochs, as they are told.
        reported: the objective after so many epochs.
        marks: what the pruner keeps of it.
    """

    number: int
    values: Values
    state: str = "running"
    objective: float | None = None
    reason: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    reported: dict[int, float] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        return len(self.history)


class Race:
    """Trials side by side: which of them has fallen behind.

    Args:
        ranges: what is searched.
        tuner: says who goes on.
        done: trials that ended before.
    """

    def __init__(self, ranges: Ranges, tuner: Tuner, done: Sequence[Outcome]) -> None:
        self.space = distributions(ranges)
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if tuner.halving:
            pruner = optuna.pruners.SuccessiveHalvingPruner(
                min_resource=tuner.min_epochs, reduction_factor=tuner.reduction_factor
            )
        self.study = _study(pruner=pruner)
        for outcome in done:
            self.study.add_trial(self._frozen(outcome))

    def start(self, outcome: Outcome) -> "Trial":
        """Enter a trial."""
        self.study.enqueue_trial(dict(outcome.values))
        return self.study.ask(self.space)

    def falls_behind(self, trial: "Trial", outcome: Outcome, epochs: int, value: float) -> bool:
        """Take the objective after so many epochs and return whether the trial is to end."""
        outcome.reported[epochs] = value
        trial.report(value, epochs)
        return trial.should_prune()

    def end(self, trial: "Trial", outcome: Outcome) -> None:
        """Note how a trial ended."""
        state, value = _ending(outcome)
        self.study.tell(trial, value, state=state)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        outcome.marks = {
            key: value for key, value in frozen.system_attrs.items() if key.startswith("completed")
        }

    def _frozen(self, outcome: Outcome) -> "FrozenTrial":
        state, value = _ending(outcome)
        return optuna.trial.create_trial(
            state=state,
            value=value,
            params=dict(outcome.values),
            distributions=self.space,
            intermediate_values=outcome.reported,
            system_attrs=outcome.marks,
        )


def _ending(outcome: Outcome) -> "tuple[TrialState, float | None]":
    """Return state and value as Optuna takes them; a value only of a trial that went to its end."""
    state = optuna.trial.TrialState[STATES[outcome.state]]
    return state, outcome.objective if outcome.state == "complete" else None
