"""Pooling over live cells only.

Shape letters: N rows, C maps, H W height and width in, P Q height and width out, K cells a window.
"""

from collections.abc import Sequence
from functools import reduce
from math import inf
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.modules.chance import Chance
from engine.modules.dropout import Dropout
from engine.modules.finish import Finish
from engine.padding import Axis

PoolKind = Literal["MAX", "MIN", "MEAN", "MEDIAN", "FIXED", "RANDOM", "L2NORM"]


def torch_windows(axis: Axis) -> bool:
    """Return whether torch cuts the axis into the same windows when it rounds up.

    torch adds equal dead cells on both sides, at most half a window, and with ``ceil_mode`` a last
    window that begins inside the input or its left padding.
    """
    if 2 * axis.before > axis.kernel or axis.size + 2 * axis.before < axis.kernel:
        return False
    reach = axis.size + 2 * axis.before - axis.kernel
    windows = -(-reach // axis.stride) + 1
    if (windows - 1) * axis.stride >= axis.size + axis.before:
        windows -= 1
    return windows == axis.out


class Pooling2d(Finish):
    """Reduce every window of every map to one number; cells outside the image do not count.

    Shapes: (N, C, H, W) → (N, C, P, Q).

    Source: the deepLearn reference, rules P10 to P13 and reading A6.

    Attributes:
        is_inside: whether no window reaches over an edge.
    """

    live: Tensor
    first_rows: Tensor
    first_columns: Tensor

    def __init__(self, kind: PoolKind, axes: Sequence[Axis], dropout: Dropout | None) -> None:
        super().__init__(None, dropout)
        height, width = axes
        self.kind = kind
        self.kernel = (height.kernel, width.kernel)
        self.stride = (height.stride, width.stride)
        self.is_whole = all(axis.kernel == axis.size and axis.out == 1 for axis in axes)
        self.is_native = kind != "MEDIAN" and all(torch_windows(axis) for axis in axes)
        self.inner = (height.before, width.before) if self.is_native else (0, 0)
        outer = [width.before, width.after, height.before, height.after]
        self.outer = None if self.is_native or not any(outer) else outer
        live = torch.outer(torch.tensor(height.live()), torch.tensor(width.live()))
        self.register_buffer("live", live, persistent=False)
        self.register_buffer("first_rows", torch.tensor(height.first()), persistent=False)
        self.register_buffer("first_columns", torch.tensor(width.first()), persistent=False)
        self.draw = RandomCell(height, width) if kind == "RANDOM" else None
        self.is_inside = all(
            axis.before == 0 and (axis.out - 1) * axis.stride + axis.kernel <= axis.size
            for axis in axes
        )

    def forward(self, x: Tensor) -> Tensor:
        match self.kind:
            case "MAX":
                y = self._max(x)
            case "MIN":
                y = self._max(x.neg()).neg()
            case "MEAN":
                y = self._mean(x)
            case "MEDIAN":
                y = self._median(x)
            case "FIXED":
                y = x.index_select(2, self.first_rows).index_select(3, self.first_columns)
            case "RANDOM":
                y = self.draw(x) if self.training and self.draw is not None else self._mean(x)
            case "L2NORM":
                y = self._norm(x)
        return self.finish(y)

    def _max(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(
            self._surround(x, -inf), self.kernel, self.stride, self.inner, ceil_mode=self.is_native
        )

    def _mean(self, x: Tensor) -> Tensor:
        if self.is_whole:
            return x.mean((2, 3), keepdim=True)
        if self.is_native:
            return functional.avg_pool2d(
                x, self.kernel, self.stride, self.inner, ceil_mode=True, count_include_pad=False
            )
        sums = functional.avg_pool2d(
            self._surround(x, 0.0), self.kernel, self.stride, divisor_override=1
        )
        return sums / self.live

    def _norm(self, x: Tensor) -> Tensor:
        """Return the root of the sum of squares; its slope at zero is taken to be zero."""
        sums = functional.avg_pool2d(
            self._surround(x.square(), 0.0),
            self.kernel,
            self.stride,
            self.inner,
            ceil_mode=self.is_native,
            divisor_override=1,
        )
        is_zero = sums == 0
        return sums.masked_fill(is_zero, 1.0).sqrt().masked_fill(is_zero, 0.0)

    def _median(self, x: Tensor) -> Tensor:
        """Return the middle live value of each window, the mean of two where they are even."""
        windows = self._surround(x, inf).unfold(2, self.kernel[0], self.stride[0])
        windows = windows.unfold(3, self.kernel[1], self.stride[1]).flatten(4)
        ordered_NCPQK = windows.sort(-1).values
        middle = torch.stack([(self.live - 1) // 2, self.live // 2], -1)
        return ordered_NCPQK.gather(-1, middle.expand(*windows.shape[:4], 2)).mean(-1)

    def _surround(self, x: Tensor, value: float) -> Tensor:
        return x if self.outer is None else functional.pad(x, self.outer, value=value)


class SlicedMaximum(nn.Module):
    """The largest value of every window as the larger of slices, for scoring alone.

    torch's operator also notes where each maximum was found, which only training asks for.

    Shapes: (N, C, H, W) → (N, C, P, Q).
    """

    def __init__(self, plain: Pooling2d) -> None:
        super().__init__()
        self.kernel = plain.kernel
        self.stride = plain.stride

    def forward(self, x: Tensor) -> Tensor:
        # neighbours in a row first: channels last they lie side by side in memory
        columns = [x[..., cells] for cells in _slices(x.shape[3], self.kernel[1], self.stride[1])]
        narrow = _larger(columns)
        rows = [
            narrow[:, :, cells] for cells in _slices(x.shape[2], self.kernel[0], self.stride[0])
        ]
        return _larger(rows)


def _slices(size: int, kernel: int, stride: int) -> list[slice]:
    """Return for every cell of a window where it lies in all windows along an axis."""
    reach = (size - kernel) // stride * stride + 1
    return [slice(first, first + reach, stride) for first in range(kernel)]


def _larger(parts: list[Tensor]) -> Tensor:
    return reduce(torch.maximum, parts)


class RandomCell(Chance):
    """Take from every window of every map a live cell, each with the same probability.

    Shapes: (N, C, H, W) → (N, C, P, Q).
    """

    first_rows: Tensor
    first_columns: Tensor
    live_rows: Tensor
    live_columns: Tensor

    def __init__(self, height: Axis, width: Axis) -> None:
        super().__init__()
        self._keep("first_rows", height.first(), (-1, 1))
        self._keep("live_rows", height.live(), (-1, 1))
        self._keep("first_columns", width.first(), (1, -1))
        self._keep("live_columns", width.live(), (1, -1))

    def _keep(self, name: str, values: list[int], shape: tuple[int, int]) -> None:
        self.register_buffer(name, torch.tensor(values).view(shape), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.first_rows + self._below(x, self.live_rows)
        columns = self.first_columns + self._below(x, self.live_columns)
        cells = (rows * x.shape[3] + columns).flatten(2)
        return x.flatten(2).gather(2, cells).view(rows.shape)

    def _below(self, x: Tensor, limits: Tensor) -> Tensor:
        """Return whole numbers from 0 to below the limits, one for every window."""
        windows = (len(self.first_rows), self.first_columns.shape[1])
        drawn = torch.rand(*x.shape[:2], *windows, generator=self.generator, device=x.device)
        return torch.minimum((drawn * limits).long(), limits - 1)
