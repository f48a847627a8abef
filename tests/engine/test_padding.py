import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ShapeError
from engine.padding import Axis, plan_convolution, plan_pooling, plan_spread, plan_whole

SIZES = st.integers(min_value=1, max_value=59)
KERNELS = st.integers(min_value=1, max_value=11)
STRIDES = st.integers(min_value=1, max_value=7)


@given(size=SIZES, kernel=KERNELS, stride=STRIDES)
def test_automatic_padding_gives_size_over_stride_rounded_up(
    size: int, kernel: int, stride: int
) -> None:
    # P1 for both kinds of layer
    expected = -(-size // stride)

    assert plan_convolution(size, kernel, stride, None).out == expected
    assert plan_pooling(size, kernel, stride, None).out == expected


@given(size=SIZES, kernel=KERNELS, stride=STRIDES)
def test_an_odd_cell_of_automatic_padding_goes_behind(size: int, kernel: int, stride: int) -> None:
    # P2, P3
    axis = plan_convolution(size, kernel, stride, None)

    assert axis.after - axis.before in (0, 1)
    assert axis.is_even == (axis.after == axis.before)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [
        (7, 4, 1, 1, 2),  # total 3
        (7, 3, 2, 1, 1),  # 7 mod 2 = 1, total 2
        (8, 3, 2, 0, 1),  # 8 mod 2 = 0, total 1
        (224, 11, 4, 3, 4),  # 224 mod 4 = 0, total 7
        (5, 2, 1, 0, 1),
        (9, 1, 3, 0, 0),  # never negative
    ],
)
def test_the_amount_of_automatic_padding_follows_p2(
    size: int, kernel: int, stride: int, before: int, after: int
) -> None:
    axis = plan_convolution(size, kernel, stride, None)

    assert (axis.before, axis.after) == (before, after)


@given(size=SIZES, kernel=KERNELS, stride=STRIDES)
def test_equal_padding_raises_the_smaller_side_to_the_larger(
    size: int, kernel: int, stride: int
) -> None:
    # P5
    automatic = plan_convolution(size, kernel, stride, None)
    equal = plan_convolution(size, kernel, stride, None, equal=True)

    assert (equal.before, equal.after) == (automatic.after, automatic.after)


def test_equal_padding_lengthens_the_output_for_stride_one_only() -> None:
    # section 3.4: over all n < 40, k < 12, s <= 4
    for size in range(1, 40):
        for kernel in range(1, 12):
            for stride in range(1, 5):
                automatic = plan_convolution(size, kernel, stride, None)
                equal = plan_convolution(size, kernel, stride, None, equal=True)
                longer = stride == 1 and not automatic.is_even
                assert equal.out - automatic.out == int(longer)


@given(size=SIZES, kernel=KERNELS, stride=STRIDES, data=st.data())
def test_given_padding_counts_for_both_sides(
    size: int, kernel: int, stride: int, data: st.DataObject
) -> None:
    # P7, P8
    padding = data.draw(st.integers(min_value=0, max_value=kernel - 1))
    if size + 2 * padding < kernel:
        return
    expected = Axis(
        size, kernel, stride, padding, padding, (size - kernel + 2 * padding) // stride + 1
    )

    assert plan_convolution(size, kernel, stride, padding) == expected
    assert plan_pooling(size, kernel, stride, padding) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "out"),
    [
        (7, 3, 1, 0, 5),  # F9
        (7, 3, 2, 0, 3),  # F9
        (5, 3, 1, 1, 5),  # F10
        (5, 3, 2, 1, 3),  # F10
        (5, 3, 3, 1, 2),  # F10: floor(4 / 3) + 1
        (10, 3, 2, 0, 4),  # F13: 4.5 rounds down
        (227, 11, 4, 0, 55),  # F14
        (28, 2, 2, 1, 15),  # Q9
    ],
)
def test_given_padding_gives_the_sizes_of_the_literature(
    size: int, kernel: int, stride: int, padding: int, out: int
) -> None:
    assert plan_convolution(size, kernel, stride, padding).out == out


@given(size=SIZES, half=st.integers(min_value=0, max_value=5))
def test_half_an_odd_filter_keeps_the_size(size: int, half: int) -> None:
    # F12: P = (F - 1) / 2 with stride 1, and automatic padding is the same
    kernel = 2 * half + 1
    given_axis = plan_convolution(size, kernel, 1, half)

    assert given_axis.out == size
    assert given_axis == plan_convolution(size, kernel, 1, None)


@given(size=SIZES, kernel=KERNELS, stride=STRIDES)
def test_automatic_pooling_windows_begin_inside_and_shrink(
    size: int, kernel: int, stride: int
) -> None:
    # P10: window i covers [i s, min(i s + k, n))
    axis = plan_pooling(size, kernel, stride, None)

    assert axis.before == 0
    assert axis.live() == [min(i * stride + kernel, size) - i * stride for i in range(axis.out)]
    assert min(axis.live()) >= 1


@given(size=SIZES, kernel=KERNELS, stride=STRIDES, data=st.data())
def test_every_padded_window_touches_the_input(
    size: int, kernel: int, stride: int, data: st.DataObject
) -> None:
    # A6, A11
    padding = data.draw(st.integers(min_value=0, max_value=kernel - 1))
    if size + 2 * padding < kernel:
        return

    assert min(plan_pooling(size, kernel, stride, padding).live()) >= 1


def test_live_cells_are_counted_at_both_ends() -> None:
    # windows of 3 over [dead dead 1 2 3 4 dead dead] with step 2: 1, 3, 2 live cells
    assert plan_pooling(4, 3, 2, 2).live() == [1, 3, 2]


def test_a_whole_axis_is_one_window() -> None:
    assert plan_whole(7) == Axis(7, 7, 7, 0, 0, 1)


@pytest.mark.parametrize("plan", [plan_convolution, plan_pooling])
def test_padding_as_large_as_the_window_is_refused(plan: object) -> None:
    message = (
        "got padding 3 with a window of 3, expected less than 3: "
        "the first window would lie outside the input"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        plan(9, 3, 1, 3)  # type: ignore[operator]


@pytest.mark.parametrize("plan", [plan_convolution, plan_pooling])
def test_a_window_larger_than_the_padded_input_is_refused(plan: object) -> None:
    message = "got a window of 7 on 4 pixels with padding 1, expected at most 6"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        plan(4, 7, 1, 1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "extra", "out"),
    [
        (32, 3, 2, 1, 0, 63),  # the vectors of the reference, layer type transconvo
        (32, 3, 2, 1, 1, 64),
        (1, 4, 3, 0, 0, 4),
        (5, 2, 2, 0, 1, 11),
    ],
)
def test_a_transposed_convolution_spreads_an_axis(
    size: int, kernel: int, stride: int, padding: int, extra: int, out: int
) -> None:
    assert plan_spread(size, kernel, stride, padding, extra) == out


@given(size=SIZES, kernel=KERNELS, stride=STRIDES)
def test_spreading_is_the_way_back_of_a_convolution_that_fits(
    size: int, kernel: int, stride: int
) -> None:
    spread = plan_spread(size, kernel, stride, 0, 0)

    assert plan_convolution(spread, kernel, stride, 0).out == size


def test_nothing_left_of_a_spread_axis_is_refused() -> None:
    message = (
        "got 1 pixels with a filter of 2, stride 3 and padding 1, expected an output of at least "
        "one pixel, not 0"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        plan_spread(1, 2, 3, 1, 0)


def test_a_pair_says_both_sides() -> None:
    # 7 + 2 + 0 pixels under a window of 3: 7 places
    assert plan_convolution(7, 3, 1, (2, 0)) == Axis(7, 3, 1, 2, 0, 7)


def test_windows_begin_at_their_first_live_cell() -> None:
    # dead cell, then 7: windows at -1, 2, 5
    assert plan_pooling(7, 3, 3, 1).first() == [0, 2, 5]
