"""What a task layer computes beyond its outputs: loss, fit error and prediction.

Shape letters: N rows, K classes or levels, V target variables.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

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

    ``raw`` is the output (N, K) of the layer's module, before the final activation; a nominal
    ``target`` is int64 (N,), an interval one float32 (N, V).
    """

    target: Target

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every row, (N,)."""

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the fit error of every row, (N,).

        Nominal: 1 where the likeliest level is wrong, else 0. Interval: the squared error, averaged
        over the variables.
        """

    def predict(self, raw: Tensor) -> Tensor:
        """Return probabilities (N, K) or predicted values (N, V)."""
