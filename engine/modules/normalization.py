"""Batch normalisation whose statistics are those of whole epochs, and layer normalisation."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.dropout import Dropout
from engine.modules.finish import Activation, Finish


class BatchNorm(Finish):
    """Normalise every map or neuron, then scale, shift and activate.

    Training uses the mean and the population variance of the mini-batch, and keeps both in
    ``batch_mean`` and ``batch_invstd`` until the caller pools them; a mini-batch of one row is
    allowed. Scoring uses ``statistics``.

    Shapes: (N, C, H, W) or (N, C) → the same; ``affine`` (C, 2) holds gamma and beta,
    ``statistics`` (C, 2) mean and standard deviation.

    Source: the deepLearn reference, rules B1 to B9.
    """

    statistics: Tensor
    batch_mean: Tensor | None
    batch_invstd: Tensor | None

    def __init__(self, features: int, epsilon: float, activation: Activation | None) -> None:
        super().__init__(activation)
        self.epsilon = epsilon
        self.affine = nn.Parameter(torch.empty(features, 2))
        self.register_buffer("statistics", torch.tensor([[0.0, 1.0]]).repeat(features, 1))
        self.batch_mean = None
        self.batch_invstd = None

    def forward(self, x: Tensor) -> Tensor:
        gamma, beta = self.affine.t().contiguous().unbind(0)
        if not self.training:
            mean, std = self.statistics.t().contiguous().unbind(0)
            y = functional.batch_norm(x, mean, std.square(), gamma, beta, eps=self.epsilon)
            return self.finish(y)
        batch_statistics, momentum = True, 0.0
        y, mean, invstd = torch.native_batch_norm(
            x, gamma, beta, None, None, batch_statistics, momentum, self.epsilon
        )
        self.batch_mean, self.batch_invstd = mean.detach(), invstd.detach()
        return self.finish(y)


class LayerNorm(Finish):
    """Normalise every run of values by itself, scale, shift and activate.

    Shapes: (N, ..., D) → the same, D a multiple of the run; ``weight`` and ``bias`` as long as a
    run.
    """

    def __init__(
        self, values: int, epsilon: float, activation: Activation | None, dropout: Dropout | None
    ) -> None:
        super().__init__(activation, dropout)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(values))
        self.bias = nn.Parameter(torch.empty(values))

    def forward(self, x: Tensor) -> Tensor:
        runs = x.reshape(*x.shape[:-1], -1, len(self.weight))
        y = functional.layer_norm(runs, [len(self.weight)], self.weight, self.bias, self.epsilon)
        return self.finish(y.flatten(-2))
