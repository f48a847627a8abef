"""The layer that predicts a target."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import PositiveInt, PrivateAttr, model_validator
from torch import nn

from engine.errors import GraphError, LayerError, ShapeError
from engine.functions.function import LOSS, compile_function
from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    OutputActivationName,
    check_user_function,
    log_activation,
    pure_activation,
)
from engine.layers.base import (
    UNSET_BY_ZERO,
    Aliases,
    Arity,
    BuildOptions,
    Target,
    Task,
    TaskLayer,
    layer_type,
)
from engine.layers.weighted import Shaped
from engine.losses import Entropy, Gamma, Normal, Poisson
from engine.modules.dense import Dense, Flatten, StepDense, Steps
from engine.shapes import Shape, flat_size, side_by_side
from engine.tasks.beam import CtcBeam
from engine.tasks.sampled import SampledEntropy
from engine.tasks.steps import Ctc, PerStep
from engine.tasks.user import LevelLoss, ValueLoss

ErrorName = Literal["AUTO", "NORMAL", "POISSON", "GAMMA", "ENTROPY", "CTC", "CTC_ALT", "FCMPERR"]
CTC_ERRORS = ("CTC", "CTC_ALT")
LEVEL_ERRORS = ("ENTROPY", *CTC_ERRORS)
POSITIVE_ERRORS = ("POISSON", "GAMMA")


@layer_type
class Output(Shaped, TaskLayer):
    """Predict the levels of a nominal target, or the values of interval targets.

    A fully connected layer with a loss; without ``fullConnect`` the loss alone, on the values of
    the source. A target of every step of a sequence is predicted step by step, with the same
    weights; the loss of a row is the mean over its steps. With ``error`` CTC the target is a
    sequence of labels, no longer than the source, whose places are not known; the neuron
    after those of the levels means no label. CTC_ALT has the same loss and finds labels by beam
    search, not greedily: our reading of a name that is not explained. Several sources lie side by
    side.

    Shapes: any → (n,), before the activation; or (T, D) → (T, n); weights (inputs, n), biases (n).

    Source: the deepLearn reference, layer type output and error functions.
    """

    code: ClassVar[int] = 5
    prefix: ClassVar[str] = "outputopts"
    title: ClassVar[str] = "Output"
    arity: ClassVar[Arity] = Arity(1, None)

    type: Literal["output"] = "output"
    n: Annotated[PositiveInt | None, UNSET_BY_ZERO] = None
    """Number of neurons; None or 0 takes the number of levels (and one more with CTC), or of target
    variables."""
    act: Annotated[OutputActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is SOFTMAX for nominal targets, EXP for POISSON and GAMMA, else IDENTITY."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""
    error: ErrorName = "AUTO"
    """Loss; AUTO is ENTROPY for nominal targets, NORMAL for interval ones."""
    fcmp_err: str | None = None
    """With ``error`` FCMPERR: the text of the function of y and yhat."""
    target_std: Literal["NONE", "STD", "MIDRANGE"] = "NONE"
    """Standardise interval targets: STD to (y - mean) / std, MIDRANGE to [-1, 1]."""
    n_softmax_samples: PositiveInt | None = None
    """With ENTROPY: levels, drawn for every mini-batch, that the true one is compared with in
    training; None compares it with all, as validation and scoring always do."""
    full_connect: Annotated[bool, Aliases("fullConnected")] = True
    """Whether the layer has weights; without, its source has as many values as it has neurons."""

    _target: Target | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        self._check_user_loss()
        if self.error in POSITIVE_ERRORS and self.target_std != "NONE":
            raise LayerError(
                f"options 'error' and 'targetStd' got {self.error!r} and {self.target_std!r}, "
                "expected targetStd 'NONE': the target must stay positive",
                options=["error", "targetStd"],
            )
        return self

    def _check_user_loss(self) -> None:
        if (self.error == "FCMPERR") != (self.fcmp_err is not None):
            got = "no text" if self.fcmp_err is None else "a text"
            raise LayerError(
                f"options 'error' and 'fcmpErr' got {self.error!r} and {got}, expected the text of "
                "a function with 'FCMPERR' and none without",
                options=["error", "fcmpErr"],
            )
        if self.fcmp_err is not None:
            compile_function(self.fcmp_err, LOSS)

    def bind(self, target: Target) -> Self:
        error = self.error
        if error == "AUTO":
            error = "ENTROPY" if target.kind == "nominal" else "NORMAL"
        act = self.act
        if act == "AUTO":
            act = "SOFTMAX" if _is_of_levels(error, target) else "IDENTITY"
            act = "EXP" if error in POSITIVE_ERRORS else act
        _check_error(target, error)
        if self.n_softmax_samples is not None and error != "ENTROPY":
            raise GraphError(
                f"option 'nSoftmaxSamples' got {self.n_softmax_samples} with error {error!r}, "
                "expected none: samples belong to 'ENTROPY'",
                option="nSoftmaxSamples",
                got=self.n_softmax_samples,
            )
        _check_activation(error, act, target)
        n = self.n
        if n is None and self.full_connect:
            n = target.size + (error in CTC_ERRORS)
        bound = self.model_copy(update={"n": n, "act": act, "error": error})
        bound._target = target
        if n is not None:
            bound.check_neurons(n)
        return bound

    def check_neurons(self, n: int) -> None:
        """Check a number of neurons against the target, where one is bound.

        Raises:
            GraphError: too few for the levels, or not as many as the variables.
        """
        target = self._target
        if target is None:
            return
        what = "levels" if target.kind == "nominal" else "target variables"
        wanted = target.size + (self.error in CTC_ERRORS)
        enough = n >= wanted if target.kind == "nominal" else n == wanted
        if not enough:
            least = "at least " if target.kind == "nominal" else ""
            more = " and one more, the blank" if self.error in CTC_ERRORS else ""
            raise GraphError(
                f"option 'n' got {n}, expected {least}{wanted}: the number of {what}{more}",
                option="n",
                got=n,
                expected=wanted,
            )

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound output layer")
        if self.error in CTC_ERRORS:
            return Ctc(self._target) if self.error == "CTC" else CtcBeam(self._target)
        if self._target.steps is None:
            return self._row_task(self._target)
        each = Target(self._target.kind, self._target.size)
        return PerStep(self._target, self._row_task(each))

    def _row_task(self, target: Target) -> Task:
        if self.error == "ENTROPY":
            samples = self.n_softmax_samples
            return Entropy(target) if samples is None else SampledEntropy(target, samples)
        if self.fcmp_err is not None:
            function = compile_function(self.fcmp_err, LOSS)
            if target.kind == "nominal":
                return LevelLoss(target, function)
            return ValueLoss(target, pure_activation(self.act, self.fcmp_act), function)
        act = pure_activation(self.act, self.fcmp_act)
        if self.error == "NORMAL":
            return Normal(target, act)
        logarithm = log_activation(self.act)
        assert logarithm is not None  # noqa: S101 - bind refused the others
        kind = Poisson if self.error == "POISSON" else Gamma
        return kind(target, act, logarithm)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        if self.full_connect and self._steps is None:
            return self.infer_open()
        if self._steps is not None:
            return self._infer_steps(sources, self._steps)
        size = flat_size(sources)
        if self._target is not None:  # until data is seen the model may still change, as in CAS
            self._check_size(size)
        return (size,)

    @property
    def takes_lengths(self) -> bool:
        return self._steps is not None

    @property
    def _steps(self) -> int | None:
        """The steps of the target; None where it is one for the row, or not known yet."""
        return None if self._target is None else self._target.steps

    def _infer_steps(self, sources: Sequence[Shape], wanted: int) -> Shape | None:
        steps, values = side_by_side(sources)
        if steps < wanted or (steps > wanted and self.error not in CTC_ERRORS):
            most = "at least " if self.error in CTC_ERRORS else ""
            raise ShapeError(
                f"got {steps} steps, expected {most}{wanted}, those of the target",
                got=steps,
                expected=wanted,
            )
        if self.full_connect:
            return None if self.n is None else (steps, self.n)
        self._check_size(values)
        return steps, values

    def _check_size(self, size: int) -> None:
        if self.n not in (None, size):
            raise ShapeError(
                f"got {size} values, expected {self.n}: without fullConnect the source has as "
                "many values as the layer has neurons",
                got=size,
                expected=self.n,
            )
        self.check_neurons(size)

    def infer_open(self) -> Shape | None:
        return None if self.n is None or self._steps is not None else (self.n,)

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        if not self.full_connect or self.n is None:
            return None
        inputs = flat_size(sources) if self._steps is None else side_by_side(sources)[1]
        return inputs, self.n

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[0], weight[1]

    def bias_shape(self, weight: Shape) -> Shape:
        return (weight[1],)

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        weight = self.weight_shape(sources)
        steps = 1 if self._steps is None else side_by_side(sources)[0]
        return 0 if weight is None else steps * prod(weight)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        weight = self.weight_shape(sources)
        if self._steps is not None:
            return self._build_steps(weight)
        if weight is None:
            return Flatten()
        return Dense(weight[0], weight[1], None, None, bias=self.include_bias)

    def _build_steps(self, weight: Shape | None) -> nn.Module:
        blank = None
        if self.error in CTC_ERRORS and self._target is not None:
            blank = self._target.size
        if weight is None:
            return Steps(blank)
        return StepDense(weight[0], weight[1], None, None, bias=self.include_bias, blank=blank)


def _check_error(target: Target, error: str) -> None:
    if error in CTC_ERRORS and target.steps is None:
        raise GraphError(
            f"option 'error' got {error!r} with one target for a row, expected a targetSequence",
            option="error",
            got=error,
        )
    if error != "FCMPERR" and (error in LEVEL_ERRORS) != (target.kind == "nominal"):
        expected = "ENTROPY" if target.kind == "nominal" else "NORMAL, POISSON or GAMMA"
        raise GraphError(
            f"option 'error' got {error!r} with a target that is {target.kind}, "
            f"expected {expected}",
            option="error",
            got=error,
        )


def _is_of_levels(error: str, target: Target) -> bool:
    return error in LEVEL_ERRORS or (error == "FCMPERR" and target.kind == "nominal")


def _check_activation(error: str, act: str, target: Target) -> None:
    is_level = _is_of_levels(error, target)
    if is_level != (act == "SOFTMAX"):
        expected = "'SOFTMAX'" if is_level else "another: SOFTMAX is for nominal targets"
        raise GraphError(
            f"option 'act' got {act!r} with error {error!r}, expected {expected}",
            option="act",
            got=act,
        )
    if error in POSITIVE_ERRORS and log_activation(act) is None:
        raise GraphError(
            f"option 'act' got {act!r} with error {error!r}, "
            "expected 'EXP', 'SOFTPLUS' or 'LOGISTIC', whose values are positive",
            option="act",
            got=act,
        )
