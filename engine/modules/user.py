"""The module of a layer a caller writes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.shapes import Shape


class UserModule(nn.Module):
    """Call a function of the flattened sources (N, D) and the weights; lay its values out.

    The function gives (N, values), or what broadcasts to it.
    """

    weight: Tensor

    def __init__(
        self, function: Callable[[Tensor, Tensor], Tensor], weights: int, output: Shape
    ) -> None:
        super().__init__()
        self.function, self.output = function, output
        if weights:
            self.weight = nn.Parameter(torch.empty(weights))
        else:
            self.register_buffer("weight", torch.empty(0), persistent=False)

    def forward(self, *sources: Tensor) -> Tensor:
        x = torch.cat([source.flatten(1) for source in sources], 1)
        y = self.function(x, self.weight)
        size = self.output[0] * self.output[1] * self.output[2]
        return y.expand(len(x), size).reshape(len(x), *self.output)
