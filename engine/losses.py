"""What a task layer computes beyond its outputs: loss, fit error and prediction.

Shape letters: N rows, K classes or levels, V target variables.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]

TargetKind = Literal["nominal", "interval", "objects", "pixels", "none"]

Report = Literal[
    "classification",
    "regression",
    "detection",
    "segmentation",
    "pixel regression",
    "embedding",
    "clustering",
    "survival",
    "proposals",
    "steps",
    "labels",
]
"""How the predictions of a task are written down and summed up."""

Coordinates = Literal["RECT", "COCO", "YOLO"]

UNSEEN = -1
"""Code of a target level that training did not see."""
ABSENT = -2
"""Code of a missing nominal target; a missing interval target is NaN. Only when scoring."""


@dataclass(frozen=True)
class Target:
    """What a task layer is asked to predict.

    Attributes:
        kind: nominal (``size`` levels of one variable), interval (``size`` variables or values),
            objects (of ``size`` classes), pixels (of ``size`` classes), or none at all.
        size: the number of levels, variables or classes.
        steps: of a sequence of targets, each of that kind and size; None: there is one.
        image: of objects: height and width, in pixels, of the image they are in.
    """

    kind: TargetKind
    size: int
    steps: int | None = None
    image: tuple[int, int] | None = None


@dataclass(frozen=True)
class TargetForm:
    """How a task layer wants the columns of its target to be read.

    Attributes:
        kind: one nominal or several interval variables, no target, objects with boxes, or the
            pixels of a label image (or one variable per pixel).
        drops_missing: whether a row needs all its values, whatever is said of missing targets.
        coordinates: of objects: RECT is left, top, width and height and COCO left, top, right and
            bottom, in pixels; YOLO is centre, width and height as fractions of the image.
        most: most objects of a row; None as many as there are columns for.
        shape: channels, height and width of the pixels.
        is_nominal: whether pixels are classes, not numbers.
        scale: factor on pixels that are numbers.
    """

    kind: Literal["variables", "none", "objects", "pixels"] = "variables"
    drops_missing: bool = False
    coordinates: Coordinates = "YOLO"
    most: int | None = None
    shape: tuple[int, int, int] | None = None
    is_nominal: bool = True
    scale: float = 1.0


@dataclass(frozen=True)
class Known:
    """A target without what cannot be compared.

    Attributes:
        target: with some value in the place of every unknown one.
        has_loss: (N,) bool, rows whose loss counts.
        has_error: (N,) bool, rows whose fit error counts; one without a loss counts as wrong.
    """

    target: Tensor
    has_loss: Tensor
    has_error: Tensor


class Task(Protocol):
    """What a bound task layer brings to training and scoring.

    ``raw`` is the output (N, ...) of the layer's module, before the final activation; none of the
    functions changes it. ``target`` is what the schema's target encodes to: int64 (N,) codes of
    levels, float32 (N, V) values, or what the layer's own kind of target says.
    """

    @property
    def target(self) -> Target:
        """What the layer predicts."""

    @property
    def report(self) -> Report:
        """How predictions are written down and summed up."""

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every row, (N,), as training minimises it."""

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every row, (N,), as validation and scoring tell it."""

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the fit error of every row, (N,).

        Nominal: 1 where the likeliest level is wrong, else 0. Interval: the squared error, averaged
        over the variables.
        """

    def known(self, target: Tensor) -> Known:
        """Return which rows of a target can be compared with predictions."""

    def predict(self, raw: Tensor) -> Tensor:
        """Return probabilities (N, K), predicted values (N, V), or what the report expects."""

    def draw_from(self, generator: torch.Generator | None) -> None:
        """Set the source of randomness of a loss that draws; on the device of ``raw``."""


@dataclass(frozen=True)
class Rows(ABC):
    """What tasks share unless they say otherwise: every row has a target, nothing is drawn."""

    @abstractmethod
    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every row, (N,), as training minimises it."""

    def draw_from(self, generator: torch.Generator | None) -> None:
        del generator

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self.loss(raw, target)

    def known(self, target: Tensor) -> Known:
        every = torch.ones(len(target), dtype=torch.bool, device=target.device)
        return Known(target, every, every)


@dataclass(frozen=True)
class Values(Rows):
    """What tasks with interval targets share: a row needs all its values."""

    report: ClassVar[Report] = "regression"

    def known(self, target: Tensor) -> Known:
        here = ~target.isnan().flatten(1).any(dim=1)
        return Known(target.nan_to_num(), here, here)


@dataclass(frozen=True)
class Entropy(Rows):
    """Cross-entropy of softmax probabilities: -ln p of the true level.

    Source: the deepLearn reference, error function ENTROPY.
    """

    report: ClassVar[Report] = "classification"

    target: Target

    def known(self, target: Tensor) -> Known:
        return Known(target.clamp(min=0), target >= 0, target != ABSENT)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(raw, target, reduction="none")

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (raw.argmax(1) != target).to(raw.dtype)

    def predict(self, raw: Tensor) -> Tensor:
        return raw.softmax(1)


@dataclass(frozen=True)
class Fitted(Values):
    """What tasks share that fit activated outputs to values: the fit error is the mean square."""

    target: Target
    activation: Activation

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.predict(raw) - target).square().mean(1)

    def predict(self, raw: Tensor) -> Tensor:
        return self.activation(raw)


@dataclass(frozen=True)
class Normal(Fitted):
    """Half the squared error, averaged over the variables: the mean is half of the fit error.

    Source: the deepLearn reference, error function NORMAL.
    """

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self.fit_error(raw, target) / 2


@dataclass(frozen=True)
class Poisson(Fitted):
    """ŷ - y ln ŷ, averaged over the variables.

    Attributes:
        activation: positive; ``log_activation`` is its logarithm, computed without overflow.

    Source: the deepLearn reference, error function POISSON.
    """

    log_activation: Activation

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.activation(raw) - target * self.log_activation(raw)).mean(1)


@dataclass(frozen=True)
class Gamma(Fitted):
    """y / ŷ + ln ŷ, averaged over the variables.

    Attributes:
        activation: positive; ``log_activation`` is its logarithm, computed without overflow.

    Source: the deepLearn reference, error function GAMMA.
    """

    log_activation: Activation

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        logarithm = self.log_activation(raw)
        return (target * (-logarithm).exp() + logarithm).mean(1)
