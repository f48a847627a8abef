"""Modules that join several sources."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.finish import Activation, Finish


class Shortcut(nn.Module):
    """Take every so-manieth pixel of the maps, and lay maps of zeros behind them.

    Shapes: (N, C, H, W) → (N, C + extra, ceil(H / down), ceil(W / across)).

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016, option A.
    """

    def __init__(self, down: int, across: int, extra: int) -> None:
        super().__init__()
        self.down, self.across, self.extra = down, across, extra

    def forward(self, maps: Tensor) -> Tensor:
        seen = maps[:, :, :: self.down, :: self.across]
        return functional.pad(seen, (0, 0, 0, 0, 0, self.extra)) if self.extra else seen


class Sum(Finish):
    """Add the sources element by element, then activate.

    Shapes: any number of (N, ...) of equal shapes → the same; with shortcuts, one for each source,
    of the shapes these make equal.
    """

    def __init__(self, activation: Activation | None, shortcuts: Sequence[nn.Module] = ()) -> None:
        super().__init__(activation)
        self.shortcuts = nn.ModuleList(shortcuts)

    def forward(self, *sources: Tensor) -> Tensor:
        if len(self.shortcuts):
            pairs = zip(self.shortcuts, sources, strict=True)
            sources = tuple(shortcut(source) for shortcut, source in pairs)
        if len(sources) == 1:
            return self.finish(sources[0].clone() if self.activation else sources[0])
        y = sources[0] + sources[1]
        for source in sources[2:]:
            y += source
        return self.finish(y)


class Concat(Finish):
    """Lay the sources behind one another along an axis, then activate.

    Shapes: (N, C1, H, W), (N, C2, H, W), ... → (N, C1 + C2 + ..., H, W) along the axis 1, or
    vectors likewise; sequences (N, T, D1), ... → (N, T, D1 + ...) along the last.
    """

    def __init__(self, activation: Activation | None, axis: int = 1) -> None:
        super().__init__(activation)
        self.axis = axis

    def forward(self, *sources: Tensor) -> Tensor:
        return self.finish(torch.cat(sources, self.axis))


class Product(Finish):
    """Multiply every map, or feature, by its factor, then activate.

    Shapes: (N, C, ...) and any shape of C factors a row → (N, C, ...).
    """

    def __init__(self, activation: Activation | None) -> None:
        super().__init__(activation)

    def forward(self, maps: Tensor, factors: Tensor) -> Tensor:
        return self.finish(maps * factors.reshape(*maps.shape[:2], *[1] * (maps.dim() - 2)))
