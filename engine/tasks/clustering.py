"""Clusters of rows that nobody has labelled."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from engine.losses import Report, Rows, Target

TINY = 1e-12


@dataclass(frozen=True)
class Cluster(Rows):
    """The divergence KL(P || Q) of deep embedded clustering, a term per row.

    ``raw`` is Q (N, K), how much a row belongs to each cluster. P sharpens it: q² / f, normalised
    over the clusters, where f is how much all rows of the mini-batch belong to a cluster; it is
    taken as a constant. The fit error of a row is one less its largest q.

    Source: Xie, Girshick, Farhadi (2016) "Unsupervised deep embedding for clustering analysis",
    equations 2 and 3; there P is of the whole table, here of the mini-batch.
    """

    report: ClassVar[Report] = "clustering"

    target: Target
    clusters: int

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        del target
        wanted = sharpened(raw.detach())
        ratio = wanted.clamp(min=TINY).log() - raw.clamp(min=TINY).log()
        return (wanted * ratio).sum(dim=1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        del target
        return 1 - raw.amax(dim=1)

    def predict(self, raw: Tensor) -> Tensor:
        """Return how much rows belong to clusters, (N, K)."""
        return raw


def sharpened(belonging: Tensor) -> Tensor:
    """Return the distribution P of Q, (N, K)."""
    weight = belonging.square() / belonging.sum(dim=0, keepdim=True).clamp(min=TINY)
    return weight / weight.sum(dim=1, keepdim=True).clamp(min=TINY)
