"""Batch normalisation statistics of a whole epoch, pooled on the device.

Shape letter: C, the maps and neurons of all batch normalisation layers side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.modules.normalization import BatchNorm


@dataclass(frozen=True)
class Pooled:
    """What an epoch has pooled so far.

    Attributes:
        mean: float64 (C,); None before the first mini-batch.
        variance: as the mean.
    """

    rows: int = 0
    mean: Tensor | None = None
    variance: Tensor | None = None


class EpochMoments:
    """Mean and population variance of every map over the rows of an epoch.

    Mini-batches are merged in float64 with the rule for the union of two samples of sizes n and m:
    with w = m / (n + m) and d the difference of the means, mean += w d and
    variance += w (its variance - variance) + w (1 - w) d². All layers are merged at once, nothing
    leaves the device.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", 1979; the deepLearn reference, rule B9 and decision D4.
    """

    def __init__(self, layers: Sequence[BatchNorm]) -> None:
        self.layers = tuple(layers)
        self.rows = 0
        self.mean: Tensor | None = None
        self.variance: Tensor | None = None
        self._epsilon: Tensor | None = None
        self._has_zero_epsilon = any(layer.epsilon == 0.0 for layer in layers)

    def reset(self) -> None:
        """Forget all rows."""
        self.rows = 0
        self.mean = self.variance = None

    def pooled(self) -> Pooled:
        """Return a copy of what was pooled, for ``restore``."""
        if self.mean is None or self.variance is None:
            return Pooled(self.rows)
        return Pooled(self.rows, self.mean.clone(), self.variance.clone())

    def restore(self, pooled: Pooled) -> None:
        """Go on from what was pooled once."""
        self.reset()
        self.rows = pooled.rows
        if pooled.mean is not None and pooled.variance is not None:
            self.mean, self.variance = pooled.mean.clone(), pooled.variance.clone()

    def pool(self, rows: int) -> None:
        """Merge the statistics the layers kept of a mini-batch of so many rows."""
        found = self.measured()
        if found is not None:
            self.merge(rows, *found)

    @torch.no_grad()
    def measured(self) -> tuple[Tensor, Tensor] | None:
        """Return mean and variance the layers kept, float64 (C,); None where none keeps any."""
        means = [layer.batch_mean for layer in self.layers if layer.batch_mean is not None]
        invstds = [layer.batch_invstd for layer in self.layers if layer.batch_invstd is not None]
        if not means:
            return None
        mean = torch.cat(means).to(torch.float64)
        variance = torch.cat(invstds).to(torch.float64).pow_(-2)
        if self._has_zero_epsilon:
            variance.masked_fill_(variance.isinf(), 0.0)  # torch's 1/√0 is 0
        variance.sub_(self._epsilons(mean)).clamp_min_(0.0)
        return mean, variance

    @torch.no_grad()
    def merge(self, rows: int, mean: Tensor, variance: Tensor) -> None:
        """Merge the moments of other rows, float64 (C,)."""
        self.rows += rows
        if self.mean is None or self.variance is None:
            self.mean, self.variance = mean, variance
            return
        share = rows / self.rows
        difference = mean - self.mean
        self.mean.add_(difference, alpha=share)
        self.variance.lerp_(variance, share)
        self.variance.addcmul_(difference, difference, value=share * (1.0 - share))

    @torch.no_grad()
    def write(self) -> None:
        """Write mean and standard deviation into the layers; without rows they stay."""
        if self.mean is None or self.variance is None:
            return
        sizes = [len(layer.affine) for layer in self.layers]
        moments = torch.stack([self.mean, self.variance], 1)
        by_tensor: dict[int, list[Tensor]] = {}
        for layer, found in zip(self.layers, torch.split(moments, sizes), strict=True):
            uses = by_tensor.setdefault(id(layer.statistics), [])
            uses.append(found)
            layer.statistics.copy_(_united(uses))

    def _epsilons(self, like: Tensor) -> Tensor:
        if self._epsilon is None or self._epsilon.device != like.device:
            values = [layer.epsilon for layer in self.layers for _ in layer.affine]
            self._epsilon = torch.tensor(values, dtype=like.dtype).to(like.device)
        return self._epsilon


def _united(uses: Sequence[Tensor]) -> Tensor:
    """Return mean and standard deviation of samples of equal size, (C, 2) each of its moments."""
    means, variances = torch.stack(list(uses)).unbind(2)
    between = means.var(0, correction=0)
    return torch.stack([means.mean(0), (variances.mean(0) + between).sqrt()], 1)
