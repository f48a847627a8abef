"""Losses a caller writes.

Shape letters: N rows, K levels, V target variables.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from engine.functions.function import Function
from engine.losses import Entropy, Fitted


@dataclass(frozen=True)
class ValueLoss(Fitted):
    """The function of true and predicted values, averaged over the variables.

    Source: the deepLearn reference, error function FCMPERR; the average is that of NORMAL.
    """

    function: Function

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        predicted = self.predict(raw)
        return self.function(target, predicted).expand_as(predicted).mean(1)


@dataclass(frozen=True)
class LevelLoss(Entropy):
    """The function of y, 1 for the true level and 0 for the others, and of their probabilities.

    What it gives for the levels is added up, so that -y log(yhat) is ENTROPY; a function that joins
    the levels itself, by sum or the like, gives one value.

    Source: the deepLearn reference, error function FCMPERR.
    """

    function: Function

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        levels = functional.one_hot(target, raw.shape[1]).to(raw.dtype)
        return self.function(levels, self.predict(raw)).sum(1)
