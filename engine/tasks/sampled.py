"""Softmax over some of the levels, for targets with very many of them.

Shape letters: N rows, K levels, S levels that are drawn.
"""

from dataclasses import dataclass, field
from math import inf, log

import torch
from torch import Tensor

from engine.losses import Entropy


@dataclass
class Source:
    """Where a task's random numbers come from; None is torch's own."""

    generator: torch.Generator | None = None


@dataclass(frozen=True)
class SampledEntropy(Entropy):
    """Cross-entropy, in training of the true level against levels drawn for every mini-batch.

    S levels are drawn uniformly, none twice. Every other level of a row is among them S / K times
    on average; with the logarithm of that taken off their raw values the sum they are compared with
    is right on average. The true level, always there, counts once. Where S reaches K this is the
    full softmax, as it always is in validation and scoring.

    Attributes:
        samples: S.

    Source: Jean, Cho, Memisevic and Bengio, "On using very large target vocabulary for neural
    machine translation", 2015, with uniform proposals; the deepLearn reference, nSoftmaxSamples.
    """

    samples: int
    source: Source = field(default_factory=Source, compare=False)

    def draw_from(self, generator: torch.Generator | None) -> None:
        self.source.generator = generator

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        levels = raw.shape[1]
        if self.samples >= levels:
            return self.scored_loss(raw, target)
        order = torch.randperm(levels, generator=self.source.generator, device=raw.device)
        drawn = order[: self.samples]
        others_NS = raw[:, drawn] - log(self.samples / levels)
        others_NS = others_NS.masked_fill(drawn == target[:, None], -inf)
        true_N1 = raw.gather(1, target[:, None])
        return torch.cat([true_N1, others_NS], 1).logsumexp(1) - true_N1[:, 0]

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return super().loss(raw, target)
