"""The only place that knows how an axis is cut into windows.

Source: the deepLearn reference, padding and output size, rules P1 to P15 with readings A6 and A11.
"""

from dataclasses import dataclass

from engine.errors import ShapeError


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

    def live(self) -> list[int]:
        """Return how many cells of the input each window covers."""
        starts = (window * self.stride - self.before for window in range(self.out))
        return [min(at + self.kernel, self.size) - max(at, 0) for at in starts]


def plan_convolution(
    size: int, kernel: int, stride: int, padding: int | None, *, equal: bool = False
) -> Axis:
    """Return how a convolution walks over one axis.

    Automatic: ceil(size / stride) windows; the total padding max(0, kernel - stride) where the
    stride divides the size, else max(0, kernel - size mod stride), is shared by both sides and an
    odd cell goes behind (P1 to P3). Given: ``padding`` cells on both sides and
    floor((size - kernel + 2 padding) / stride) + 1 windows (P7, P8).

    Args:
        size: length of the input.
        kernel: length of the filter.
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


def _given(size: int, kernel: int, stride: int, padding: int) -> Axis:
    if padding >= kernel:
        raise ShapeError(
            f"got padding {padding} with a window of {kernel}, expected less than {kernel}: "
            "the first window would lie outside the input",
            padding=padding,
            window=kernel,
        )
    if size + 2 * padding < kernel:
        raise ShapeError(
            f"got a window of {kernel} on {size} pixels with padding {padding}, "
            f"expected at most {size + 2 * padding}",
            window=kernel,
            size=size,
            padding=padding,
        )
    return Axis(size, kernel, stride, padding, padding, (size - kernel + 2 * padding) // stride + 1)
