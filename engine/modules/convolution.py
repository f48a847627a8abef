"""Two-dimensional convolution with any padding, the same on every device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.dropout import Dropout
from engine.modules.finish import Activation, Finish
from engine.padding import Axis
from engine.shapes import Shape


@dataclass(frozen=True)
class Padding:
    """Zeros around an image, split between the operator and an explicit copy.

    Attributes:
        operator: zeros the convolution itself adds on both sides, (height, width).
        explicit: zeros put there before, (left, right, top, bottom); None when there are none.
    """

    operator: tuple[int, int]
    explicit: list[int] | None


def split_padding(height: Axis, width: Axis) -> Padding:
    """Return who adds which zeros: only an uneven axis pays for a copy."""
    operator = tuple(axis.before if axis.is_even else 0 for axis in (height, width))
    explicit = [
        side
        for axis in (width, height)
        for side in ((0, 0) if axis.is_even else (axis.before, axis.after))
    ]
    return Padding((operator[0], operator[1]), explicit if any(explicit) else None)


class Convolution2d(Finish):
    """Slide filters over an image without flipping them, add a bias, activate.

    Shapes: (N, C, H, W) → (N, F, H', W'); ``weight`` (F, C, kernel height, kernel width),
    ``bias`` (F,).
    """

    bias: Tensor | None

    def __init__(
        self,
        weight: Shape,
        axes: Sequence[Axis],
        activation: Activation | None,
        dropout: Dropout | None,
        *,
        bias: bool,
    ) -> None:
        super().__init__(activation, dropout)
        height, width = axes
        self.stride = (height.stride, width.stride)
        self.padding = split_padding(height, width)
        self.weight = nn.Parameter(torch.empty(weight))
        self.register_parameter("bias", nn.Parameter(torch.empty(weight[0])) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        if self.padding.explicit is not None:
            x = functional.pad(x, self.padding.explicit)
        y = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding.operator)
        return self.finish(y)
