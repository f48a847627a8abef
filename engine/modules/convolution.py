"""Two-dimensional convolutions with any padding, the same on every device."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.dropout import Dropout
from engine.modules.finish import Activation, Finish
from engine.modules.winograd import convolve, has_many_tiles
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

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Zeros around an image, whoever puts them there: (left, right, top, bottom)."""
        left, right, top, bottom = self.explicit or (0, 0, 0, 0)
        down, across = self.operator
        return left + across, right + across, top + down, bottom + down


def split_padding(height: Axis, width: Axis) -> Padding:
    """Return who adds which zeros: only an uneven axis pays for a copy."""
    operator = tuple(axis.before if axis.is_even else 0 for axis in (height, width))
    explicit = [
        side
        for axis in (width, height)
        for side in ((0, 0) if axis.is_even else (axis.before, axis.after))
    ]
    return Padding((operator[0], operator[1]), explicit if any(explicit) else None)


@dataclass(frozen=True)
class Windows:
    """Where filters look.

    Attributes:
        height: how the height is cut; its kernel is what the filter reaches over.
        width: likewise.
        dilation: steps between the cells of a filter, (height, width).
        groups: groups of maps which do not see one another.
    """

    height: Axis
    width: Axis
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


def spans_one_map(weight: Shape, windows: Windows) -> bool:
    """Return whether filters see one map over its whole width, as those over words do.

    There the columns are better taken for maps: a kernel as wide as a word vector on a single
    channel is the worst case of the libraries, twenty times slower in channels-last form.
    """
    width = windows.width
    is_unpadded = width.before == 0 and width.after == 0
    return weight[1] == 1 and windows.groups == 1 and weight[3] == width.size and is_unpadded


class Convolution2d(Finish):
    """Slide filters over an image without flipping them, add a bias, activate.

    Shapes: (N, C, H, W) → (N, F, H', W'); ``weight`` (F, C / groups, kernel height, kernel width),
    ``bias`` (F,).

    Attributes:
        columns: of its output.
        in_loops: compute mini-batches with many tiles in Winograd's form, training too; off in a
            new module and for convolutions that there are no loops for, or that are strided,
            dilated or grouped.
    """

    bias: Tensor | None
    in_loops = False

    def __init__(
        self,
        weight: Shape,
        windows: Windows,
        activation: Activation | None,
        dropout: Dropout | None,
        *,
        bias: bool,
    ) -> None:
        super().__init__(activation, dropout)
        self.stride = (windows.height.stride, windows.width.stride)
        self.padding = split_padding(windows.height, windows.width)
        self.dilation = windows.dilation
        self.groups = windows.groups
        self.columns = windows.width.out
        self.columns_as_maps = spans_one_map(weight, windows)
        self.weight = nn.Parameter(torch.empty(weight))
        self.register_parameter("bias", nn.Parameter(torch.empty(weight[0])) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        margins = self.padding.margins
        if self.in_loops and has_many_tiles(x, weight.shape[2], margins):
            return self.finish(convolve(x, weight, self.bias, margins))
        if self.padding.explicit is not None:
            x = functional.pad(x, self.padding.explicit)
        if self.columns_as_maps:
            x, weight = x.transpose(1, 3), weight.transpose(1, 3)
        y = functional.conv2d(
            x,
            weight,
            self.bias,
            self.stride,
            self.padding.operator,
            self.dilation,
            self.groups,
        )
        return self.finish(y)


@dataclass(frozen=True)
class Spread:
    """How a transposed convolution lays out its input; all pairs are (height, width).

    Attributes:
        stride: distance between the places of neighbouring pixels.
        padding: pixels cut off on each side of the output.
        extra: pixels put behind the output.
    """

    stride: tuple[int, int]
    padding: tuple[int, int]
    extra: tuple[int, int]


class ConvolutionTransposed2d(Finish):
    """Lay filters times pixels over one another, add a bias, activate.

    Shapes: (N, C, H, W) → (N, F, H', W'); ``weight`` (C, F, kernel height, kernel width),
    ``bias`` (F,).
    """

    bias: Tensor | None

    def __init__(
        self,
        weight: Shape,
        spread: Spread,
        activation: Activation | None,
        dropout: Dropout | None,
        *,
        bias: bool,
    ) -> None:
        super().__init__(activation, dropout)
        self.spread = spread
        self.weight = nn.Parameter(torch.empty(weight))
        self.register_parameter("bias", nn.Parameter(torch.empty(weight[1])) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        spread = self.spread
        y = functional.conv_transpose2d(
            x, self.weight, self.bias, spread.stride, spread.padding, spread.extra
        )
        return self.finish(y)


class LocalConvolution2d(Finish):
    """Slide filters over an image which have weights of their own at every place, and activate.

    Shape letters: L places, row by row; K cells a filter sees, maps first.

    Shapes: (N, C, H, W) → (N, F, H', W'); ``weight`` (F, H', W', C, kernel height, kernel width),
    ``bias`` (F, H', W').
    """

    bias: Tensor | None

    def __init__(
        self,
        weight: Shape,
        windows: Windows,
        activation: Activation | None,
        dropout: Dropout | None,
        *,
        bias: bool,
    ) -> None:
        super().__init__(activation, dropout)
        height, width = windows.height, windows.width
        self.stride = (height.stride, width.stride)
        self.dilation = windows.dilation
        self.outer = [width.before, width.after, height.before, height.after]
        self.weight = nn.Parameter(torch.empty(weight))
        self.register_parameter("bias", nn.Parameter(torch.empty(weight[:3])) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        filters, rows, columns, *_, height, width = self.weight.shape
        if any(self.outer):
            x = functional.pad(x, self.outer)
        patches_NKL = functional.unfold(x, (height, width), self.dilation, 0, self.stride)
        weight_FLK = self.weight.flatten(1, 2).flatten(2)
        y = torch.einsum("nkl,flk->nfl", patches_NKL, weight_FLK)
        y = y.view(-1, filters, rows, columns)
        return self.finish(y if self.bias is None else y + self.bias)
