"""Laying values out in another order."""

from typing import Literal

from torch import Tensor, nn

from engine.modules.finish import Activation

Order = Literal["WHD", "WDH", "DWH", "HWD", "DHW", "HDW"]
"""Axes from the one that runs fastest to the one that runs slowest."""

AXES = {"D": 1, "H": 2, "W": 3}
"""Where a batch of images keeps them."""


class Reshaped(nn.Module):
    """Read an image in an order of its axes, write another in the same order, activate.

    Shapes: (N, ...) of depth * height * width values → (N, depth', height', width').
    """

    def __init__(
        self,
        source: tuple[int, int, int],
        output: tuple[int, int, int],
        order: Order,
        activation: Activation | None,
    ) -> None:
        super().__init__()
        slowest_first = [AXES[letter] for letter in reversed(order)]
        self.source = source
        self.outward = (0, *slowest_first)
        self.written = tuple(output[axis - 1] for axis in slowest_first)
        self.inward = tuple(self.outward.index(axis) for axis in range(4))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        values = x.reshape(-1, *self.source).permute(self.outward)
        y = values.reshape(-1, *self.written).permute(self.inward)
        return y if self.activation is None else self.activation(y)
