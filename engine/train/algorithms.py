"""Solvers and learning-rate policies with their options.

ADAMW, ADAGRAD, RMSPROP and NESTEROV, the policy COSINE, ``warmUp`` and the options of cyclic and
plateau policies under these names are ours; the rest is the deepLearn reference's.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import LayerError, NotSupportedError
from engine.functions.function import LEARNING_RATE, check_function, is_name
from engine.layers.base import Aliases, Synonyms

Policy = Literal[
    "FIXED",
    "STEP",
    "MULTISTEP",
    "POLY",
    "INV",
    "FCMP",
    "CYCLICLR",
    "REDUCELRONPLATEAU",
    "COSINE",
]


class Options(BaseModel):
    """Base of a dictionary of options."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    not_built: ClassVar[Mapping[str, str]] = {}
    """Fields that must keep their default, and why."""
    path: ClassVar[str] = ""
    """Where the dictionary lies, put before a field's name in messages."""

    @model_validator(mode="after")
    def _refuse_not_built(self) -> Self:
        for name, reason in self.not_built.items():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                refuse(self.path + _camel(name), value, reason)
        return self


def not_built(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the fields of a class that must keep their default, and why."""
    return model.not_built if issubclass(model, Options) else {}


def refuse(option: str, value: object, reason: str) -> NoReturn:
    """Refuse an option's value.

    Raises:
        NotSupportedError: always.
    """
    shown = dict(value) if isinstance(value, BaseModel) else value
    raise NotSupportedError(f"optimizer option {option} = {shown!r} is not supported yet: {reason}")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


class Algorithm(Options):
    """Options every solver has."""

    not_built: ClassVar[Mapping[str, str]] = {
        "use_locking": "every update waits for the one before it"
    }
    path: ClassVar[str] = "algorithm."

    method: str
    learning_rate: float = Field(default=0.001, gt=0, allow_inf_nan=False)
    """Rate at the start."""
    learning_rate_policy: Annotated[
        Policy,
        Aliases("lrPolicy"),
        Synonyms({"CYCLIC_LR": "CYCLICLR", "REDUCE_LR_ON_PLATEAU": "REDUCELRONPLATEAU"}),
    ] = "FIXED"
    """How the rate changes: see engine.train.schedules."""
    gamma: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    """Factor of STEP, MULTISTEP and REDUCELRONPLATEAU; growth per weight update of INV."""
    step_size: int = Field(default=10, ge=1)
    """Epochs between two falls of STEP."""
    power: float = Field(default=0.75, ge=0, allow_inf_nan=False)
    """Exponent of POLY and INV."""
    steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Epochs, counted from 0, at which MULTISTEP falls."""
    max_learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Rate at the top of a cycle of CYCLICLR, which needs it."""
    factor: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Epochs from the bottom to the top of a cycle of CYCLICLR."""
    patience: int = Field(default=10, ge=0)
    """Epochs without a new best loss that REDUCELRONPLATEAU bears."""
    cool_down: int = Field(default=10, ge=0)
    """Epochs at the start and after a fall in which REDUCELRONPLATEAU does not count."""
    min_learning_rate: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Rate at the end of COSINE (ours)."""
    warm_up: int = Field(default=0, ge=0)
    """Epochs in which the rate rises evenly to that of the policy (ours); 0: none."""
    clip_grad_max: float | None = Field(default=None, allow_inf_nan=False)
    """Upper bound of every element of a gradient; None: none."""
    clip_grad_min: float | None = Field(default=None, allow_inf_nan=False)
    """Lower bound of every element of a gradient; None: none."""
    use_locking: bool = True
    """False would let threads update weights without waiting; not supported yet."""
    fcmp_learning_rate: str | None = None
    """With learningRatePolicy FCMP: the text of the function of rate, initRate, gamma, stepSize,
    iterNum, batch and loss; or the name of one that fcmpact.addRoutines stored."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_user_rate()
        if self.learning_rate_policy == "CYCLICLR" and self.max_learning_rate is None:
            raise ValueError("learningRatePolicy CYCLICLR got no maxLearningRate, expected one")
        low, high = self.clip_grad_min, self.clip_grad_max
        if low is not None and high is not None and low > high:
            raise ValueError(f"clipGradMin got {low!r}, expected at most clipGradMax = {high!r}")
        return self

    def _check_user_rate(self) -> None:
        text = self.fcmp_learning_rate
        if text is not None and is_name(text, LEARNING_RATE):
            return  # the caller puts the text of that function in its place
        if (self.learning_rate_policy == "FCMP") != (text is not None):
            got = "no fcmpLearningRate" if text is None else "fcmpLearningRate"
            raise ValueError(
                f"learningRatePolicy {self.learning_rate_policy} got {got}, expected the text of a "
                "function with FCMP and none without"
            )
        if text is None:
            return
        if self.warm_up:
            raise ValueError(
                f"warmUp got {self.warm_up} with learningRatePolicy FCMP, expected 0: the function "
                "says the rate of every epoch"
            )
        try:
            check_function(text, LEARNING_RATE)
        except LayerError as error:
            raise ValueError(error.message) from error


class Vanilla(Algorithm):
    """Stochastic gradient descent: w -= rate * g."""

    method: Literal["VANILLA"] = "VANILLA"


class Momentum(Algorithm):
    """Gradient descent with momentum: v = momentum * v - rate * g; w += v."""

    method: Literal["MOMENTUM"] = "MOMENTUM"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the last step that is kept."""


class Nesterov(Algorithm):
    """Nesterov's momentum (ours): v = momentum * v - rate * g; w += momentum * v - rate * g.

    Source: Sutskever, Martens, Dahl, Hinton (2013), with w at the point that looks ahead.
    """

    method: Literal["NESTEROV"] = "NESTEROV"
    momentum: float = Field(default=0.9, gt=0, lt=1)
    """Share of the last step that is kept."""


class Adam(Algorithm):
    """Adam with eps 1e-8.

    Source: Kingma, Ba (2015), algorithm 1.
    """

    method: Literal["ADAM"] = "ADAM"
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of squared gradients."""


class AdamW(Algorithm):
    """Adam with weight decay outside the gradient (ours): w -= rate * weightDecay * w, then Adam.

    Weights decay, biases do not; ``regL2`` still goes through the gradient.

    Source: Loshchilov, Hutter (2019), algorithm 2.
    """

    method: Literal["ADAMW"] = "ADAMW"
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    """Share of a weight that is taken away by an update, times the rate."""


class Adagrad(Algorithm):
    """Adagrad (ours): s += g^2; w -= rate * g / (sqrt(s) + 1e-10).

    Source: Duchi, Hazan, Singer (2011).
    """

    method: Literal["ADAGRAD"] = "ADAGRAD"


class RmsProp(Algorithm):
    """RMSProp (ours): s = decay * s + (1 - decay) * g^2; w -= rate * g / (sqrt(s) + 1e-8).

    Source: Tieleman, Hinton (2012), lecture 6.5.
    """

    method: Literal["RMSPROP"] = "RMSPROP"
    decay: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of squared gradients."""


class Lbfg(Algorithm):
    """L-BFGS with a backtracking line search; learningRate and its policy play no part.

    Without a mini-batch size every iteration uses the gradient of the whole table, and is an
    epoch of the history; with one every mini-batch is an iteration.

    Source: Nocedal, Wright, Numerical Optimization (2006), algorithms 7.4, 7.5 and 3.1; the
    dialect has no defaults for m, maxLineSearchIters and backtrackRatio, these are ours.
    """

    method: Literal["LBFG"] = "LBFG"
    m: int = Field(default=10, ge=1)
    """Pairs of steps and gradient changes that are kept."""
    max_line_search_iters: int = Field(default=20, ge=1)
    """Steps a line search tries before it gives up."""
    max_iters: int | None = Field(default=None, ge=1)
    """Iterations after which the run stops; None: only maxEpochs counts."""
    backtrack_ratio: float = Field(default=0.5, gt=0, lt=1)
    """Factor by which a line search shortens the step."""


class NaturalGradient(Algorithm):
    """Natural gradient with a diagonal Fisher matrix: w -= rate * g / (F + 0.001).

    F = N g^2 of a mini-batch of N rows, as a running mean with decay 0.95 that is corrected for its
    start. A mean of N independent gradients varies by 1/N of the variance of one, so N g^2
    estimates the diagonal of the empirical Fisher matrix where the mean gradient is small; with
    one row a mini-batch it is exact.

    Source: Amari (1998) for the rule; which approximation the dialect's type 1 is, is not
    published, this one is ours.
    """

    method: Literal["NATGRAD"] = "NATGRAD"
    approximation_type: Literal[1] = 1
    """Approximation of the Fisher matrix; 1: its diagonal."""


Solver = Annotated[
    Vanilla | Momentum | Nesterov | Adam | AdamW | Adagrad | RmsProp | Lbfg | NaturalGradient,
    Field(discriminator="method"),
]
"""A solver with its options, told apart by ``method``."""
