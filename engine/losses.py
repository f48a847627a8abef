"""What a task layer computes beyond its outputs: loss, fit error and prediction.

Shape letters: N rows, K classes or levels, V target variables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]

TargetKind = Literal["nominal", "interval"]


@dataclass(frozen=True)
class Target:
    """What a task layer is asked to predict.

    Attributes:
        kind: nominal (``size`` levels of one variable) or interval (``size`` variables).
        size: the number of levels or variables.
    """

    kind: TargetKind
    size: int


class Task(Protocol):
    """The three functions of a bound task layer.

    ``raw`` is the output (N, K) of the layer's module, before the final activation; none of the
    functions changes it. A nominal ``target`` is int64 (N,), an interval one float32 (N, V).
    """

    @property
    def target(self) -> Target:
        """What the layer predicts."""

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every row, (N,)."""

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the fit error of every row, (N,).

        Nominal: 1 where the likeliest level is wrong, else 0. Interval: the squared error, averaged
        over the variables.
        """

    def predict(self, raw: Tensor) -> Tensor:
        """Return probabilities (N, K) or predicted values (N, V)."""


@dataclass(frozen=True)
class Entropy:
    """Cross-entropy of softmax probabilities: -ln p of the true level.

    Source: the deepLearn reference, error function ENTROPY.
    """

    target: Target

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(raw, target, reduction="none")

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (raw.argmax(1) != target).to(raw.dtype)

    def predict(self, raw: Tensor) -> Tensor:
        return raw.softmax(1)


@dataclass(frozen=True)
class Normal:
    """Half the squared error, averaged over the variables: the mean is half of the fit error.

    Source: the deepLearn reference, error function NORMAL.
    """

    target: Target
    activation: Activation

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self.fit_error(raw, target) / 2

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.predict(raw) - target).square().mean(1)

    def predict(self, raw: Tensor) -> Tensor:
        return self.activation(raw)


@dataclass(frozen=True)
class Poisson:
    """ŷ - y ln ŷ, averaged over the variables.

    Attributes:
        activation: positive; ``log_activation`` is its logarithm, computed without overflow.

    Source: the deepLearn reference, error function POISSON.
    """

    target: Target
    activation: Activation
    log_activation: Activation

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.activation(raw) - target * self.log_activation(raw)).mean(1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.predict(raw) - target).square().mean(1)

    def predict(self, raw: Tensor) -> Tensor:
        return self.activation(raw)


@dataclass(frozen=True)
class Gamma:
    """y / ŷ + ln ŷ, averaged over the variables.

    Attributes:
        activation: positive; ``log_activation`` is its logarithm, computed without overflow.

    Source: the deepLearn reference, error function GAMMA.
    """

    target: Target
    activation: Activation
    log_activation: Activation

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        logarithm = self.log_activation(raw)
        return (target * (-logarithm).exp() + logarithm).mean(1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.predict(raw) - target).square().mean(1)

    def predict(self, raw: Tensor) -> Tensor:
        return self.activation(raw)
