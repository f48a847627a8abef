"""The module of input layers: raw values to scaled float32."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.modules.augment import Augment
from engine.modules.dropout import Dropout
from engine.shapes import Shape


@dataclass(frozen=True)
class Scale:
    """The map x → (factor * x - offset) / divisor.

    Attributes:
        offsets: none, one, or one per channel.
        divisors: none, one, or one per channel.
    """

    factor: float = 1.0
    offsets: Sequence[float] = ()
    divisors: Sequence[float] = ()


class Scaling(nn.Module):
    """Change images at random where that is asked for, scale raw values, then drop some.

    The map is folded in float64 to ``slope * x + intercept``, one pass over the values each.

    Shapes: uint8 or float32 (N, C, H, W) or (N, D) → the same; a row of C * H * W numbers becomes
    an image where the layer declares one.
    """

    slope: Tensor | None
    intercept: Tensor | None

    def __init__(
        self,
        shape: Shape,
        scale: Scale,
        dropout: Dropout | None,
        augment: Augment | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.augment = augment
        self.dropout = dropout
        trailing = [1] * (len(shape) - 1)
        divisors = torch.tensor(scale.divisors or [1.0], dtype=torch.float64).view(-1, *trailing)
        offsets = torch.tensor(scale.offsets or [0.0], dtype=torch.float64).view(-1, *trailing)
        slope, intercept = scale.factor / divisors, -offsets / divisors
        self._keep("slope", None if bool((slope == 1).all()) else slope)
        self._keep("intercept", None if bool((intercept == 0).all()) else intercept)

    def _keep(self, name: str, value: Tensor | None) -> None:
        kept = None if value is None else value.to(torch.float32)
        self.register_buffer(name, kept, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() - 1 != len(self.shape):
            x = x.reshape(-1, *self.shape)
        if self.augment is not None:
            x = self.augment(x)
        y = x.to(torch.float32) if self.slope is None else x * self.slope
        if self.intercept is not None:
            y = y + self.intercept
        return y if self.dropout is None else self.dropout(y)
