"""How far embeddings of one row lie apart."""

from itertools import pairwise

import torch
from torch import Tensor, nn

TINY = 1e-12
"""Least squared distance whose root is taken; its gradient stays finite."""


class Distances(nn.Module):
    """Euclidean distances between the embeddings that several sources give.

    Two sources: between them. Three, an anchor, a similar and another: from the anchor to both.
    Four, with one more: also between the last two.

    Shapes: k times (N, ...) → (N, k - 1).
    """

    def forward(self, *sources: Tensor) -> Tensor:
        first, *others = (source.flatten(1) for source in sources)
        pairs = [(first, other) for other in others[:2]]
        pairs += list(pairwise(others[1:]))
        return torch.stack([_distance(a, b) for a, b in pairs], dim=1)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1).clamp(min=TINY).sqrt()
