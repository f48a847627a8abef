"""Losses of distances between embeddings."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engine.losses import Known, Report, Rows, Target


@dataclass(frozen=True)
class Contrastive(Rows):
    """Similar pairs are drawn together, others driven apart up to a margin.

    ``raw`` (N, 1) is the distance d, the target (N, 1) is y: 1 for a similar pair, 0 for another::

        ½ y d² + ½ (1 - y) max(0, margin - d)²

    The fit error is the root of twice that: how far a pair is from where it should be.

    Source: Hadsell, Chopra, LeCun (2006), y turned round; the deepLearn reference, layer closs.
    """

    report: ClassVar[Report] = "embedding"

    target: Target
    margin: float

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        similar, distance = target[:, 0], raw[:, 0]
        gap = (self.margin - distance).clamp(min=0)
        return (similar * distance.square() + (1 - similar) * gap.square()) / 2

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (2 * self.loss(raw, target)).clamp(min=0).sqrt()

    def known(self, target: Tensor) -> Known:
        here = ~target.isnan().any(dim=1)
        return Known(target.nan_to_num(), here, here)

    def predict(self, raw: Tensor) -> Tensor:
        """Return distances (N, 1)."""
        return raw


@dataclass(frozen=True)
class Margins(Rows):
    """An anchor is to be nearer to what is similar than to what is not, by a margin.

    ``raw`` are distances: of three embeddings (N, 2) d(anchor, similar) and d(anchor, other), of
    four (N, 3) also d(other, fourth)::

        three: max(0, d(a, s)² - d(a, o)² + margin)
        four:  that, and max(0, d(a, s)² - d(o, f)² + margin / 2)

    Scoring tells the loss without the cut at zero, so that it goes on falling below it. The fit
    error is the mean of the terms as they are trained.

    Source: Schroff et al. (2015) "FaceNet"; Chen et al. (2017) "Beyond triplet loss: a deep
    quadruplet network", whose second margin is smaller than the first; the deepLearn reference,
    layer closs, whose printed loss of a triplet model is below zero.
    """

    report: ClassVar[Report] = "embedding"

    target: Target
    margin: float

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        del target
        return self._terms(raw).clamp(min=0).sum(dim=1)

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        del target
        return self._terms(raw).sum(dim=1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        del target
        return self._terms(raw).clamp(min=0).mean(dim=1)

    def predict(self, raw: Tensor) -> Tensor:
        """Return distances (N, 2) or (N, 3)."""
        return raw

    def _terms(self, raw: Tensor) -> Tensor:
        squares = raw.square()
        margins = torch.tensor([self.margin, self.margin / 2], dtype=raw.dtype, device=raw.device)
        return squares[:, :1] - squares[:, 1:] + margins[: raw.shape[1] - 1]
