"""The only place that knows how an axis is cut into windows.

Source: the deepLearn reference, padding and output size, rules P1 to P15 with readings A6 and A11.
"""

from dataclasses import dataclass

from engine.errors import ShapeError

Sides = int | tuple[int, int] | None
"""Padding of an axis: None is automatic, a number counts on both sides, a pair before and after."""


@dataclass(frozen=True)
class Axis:
    """One axis cut into windows; all lengths are in pixels.

    Window ``i`` covers ``[i * stride - before, i * stride - before + kernel)``.

    Attributes:
        size: length of the input.
        before: cells put in front of the input.
        after: cells put behind it.
        out: number of windows.
    """

    size: int
    kernel: int
    stride: int
    before: int
    after: int
    out: int

    @property
    def is_even(self) -> bool:
        """Whether both sides get the same padding, so that a torch operator can add it."""
        return self.before == self.after

    def first(self) -> list[int]:
        """Return the first cell of the input each window covers."""
        return [max(window * self.stride - self.before, 0) for window in range(self.out)]

    def live(self) -> list[int]:
        """Return how many cells of the input each window covers."""
        starts = (window * self.stride - self.before for window in range(self.out))
        return [min(at + self.kernel, self.size) - max(at, 0) for at in starts]


def plan_convolution(
    size: int, kernel: int, stride: int, padding: Sides, *, equal: bool = False
) -> Axis:
    """Return how a convolution walks over one axis.

    Automatic: ceil(size / stride) windows; the total padding max(0, kernel - stride) where the
    stride divides the size, else max(0, kernel - size mod stride), is shared by both sides and an
    odd cell goes behind (P1 to P3). Given: ``padding`` cells on both sides and
    floor((size - kernel + 2 padding) / stride) + 1 windows (P7, P8); a pair says both sides by
    themselves, and their sum takes the place of 2 padding.

    Args:
        size: length of the input.
        kernel: length of the filter, with the gaps of a dilated one.
        stride: step between windows.
        padding: cells on each side; None is automatic.
        equal: raise the smaller side of an automatic padding to the larger one (P5).

    Raises:
        ShapeError: the padding is not smaller than the filter, or no window fits.
    """
    if padding is not None:
        return _given(size, kernel, stride, padding)
    rest = size % stride or stride
    total = max(0, kernel - rest)
    before, after = total // 2, total - total // 2
    if equal:
        before = after
    return Axis(size, kernel, stride, before, after, (size - kernel + before + after) // stride + 1)


def plan_pooling(size: int, kernel: int, stride: int, padding: int | None) -> Axis:
    """Return how pooling walks over one axis; cells outside the input are dead, never zeros.

    Automatic: ceil(size / stride) windows, the first at the left edge, the last ones shrink (P10).
    Given: as for a convolution (P8), the padded cells are dead (A6).

    Args:
        size: length of the input.
        kernel: length of the window.
        stride: step between windows.
        padding: dead cells on each side; None is automatic.

    Raises:
        ShapeError: the padding is not smaller than the window, or no window fits.
    """
    if padding is not None:
        return _given(size, kernel, stride, padding)
    out = -(-size // stride)
    return Axis(size, kernel, stride, 0, max(0, (out - 1) * stride + kernel - size), out)


def plan_whole(size: int) -> Axis:
    """Return the one window of global pooling (P13)."""
    return Axis(size, size, size, 0, 0, 1)


def plan_spread(size: int, kernel: int, stride: int, padding: int, extra: int) -> int:
    """Return the length a transposed convolution makes of an axis.

    (size - 1) stride - 2 padding + kernel + extra.

    Args:
        size: length of the input.
        kernel: length of the filter.
        stride: distance at which the cells of the input are laid out.
        padding: cells cut off on each side.
        extra: cells put behind the output.

    Raises:
        ShapeError: nothing is left.
    """
    out = (size - 1) * stride - 2 * padding + kernel + extra
    if out < 1:
        raise ShapeError(
            f"got {size} pixels with a filter of {kernel}, stride {stride} and padding {padding}, "
            f"expected an output of at least one pixel, not {out}",
            size=size,
            window=kernel,
            padding=padding,
        )
    return out


def _given(size: int, kernel: int, stride: int, padding: int | tuple[int, int]) -> Axis:
    before, after = padding if isinstance(padding, tuple) else (padding, padding)
    wide, said = max(before, after), " and ".join(dict.fromkeys((str(before), str(after))))
    if wide >= kernel:
        raise ShapeError(
            f"got padding {wide} with a window of {kernel}, expected less than {kernel}: "
            "the first window would lie outside the input",
            padding=wide,
            window=kernel,
        )
    room = size + before + after
    if room < kernel:
        raise ShapeError(
            f"got a window of {kernel} on {size} pixels with padding {said}, "
            f"expected at most {room}",
            window=kernel,
            size=size,
            padding=wide,
        )
    return Axis(size, kernel, stride, before, after, (room - kernel) // stride + 1)
