"""How near rows are to the centres of clusters."""

import torch
from torch import Tensor, nn

from engine.modules.dense import flat


class StudentKernel(nn.Module):
    """How much rows belong to clusters: (1 + d² / alpha) ** -(alpha + 1) / 2, normalised.

    Shapes: any number of (N, ...) → (N, K); ``weight`` (K, D) holds the centres.

    Source: Xie et al. (2016), equation 1; van der Maaten and Hinton (2008).
    """

    def __init__(self, clusters: int, values: int, alpha: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(clusters, values))
        self.alpha = alpha

    def forward(self, *sources: Tensor) -> Tensor:
        gap = flat(sources).unsqueeze(1) - self.weight
        kernel = (1 + gap.square().sum(dim=2) / self.alpha) ** (-(self.alpha + 1) / 2)
        return kernel / kernel.sum(dim=1, keepdim=True)
