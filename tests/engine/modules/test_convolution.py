"""Convolutions over one map from side to side, against sums written out in NumPy."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from engine.modules.convolution import Convolution2d, Windows
from engine.padding import Axis

ROWS, HEIGHT, WIDTH, FILTERS = 3, 7, 5, 4

Array = npt.NDArray[np.float64]


def by_hand(x: Array, weight: Array, axis: Axis, dilation: int) -> Array:
    """Return sums over every window of rows of words; (N, H, W), (F, kh, W) → (N, F, H')."""
    padded = np.pad(x, ((0, 0), (axis.before, axis.after), (0, 0)))
    starts = [window * axis.stride for window in range(axis.out)]
    reach = [[start + step * dilation for step in range(weight.shape[1])] for start in starts]
    sums: Array = np.einsum("nokw,fkw->nfo", padded[:, reach], weight)
    return sums


@pytest.mark.parametrize(
    ("axis", "kernel", "dilation"),
    [
        (Axis(HEIGHT, 3, 1, 0, 0, 5), 3, 1),
        (Axis(HEIGHT, 3, 2, 1, 1, 4), 3, 1),
        (Axis(HEIGHT, 2, 1, 0, 1, 7), 2, 1),
        (Axis(HEIGHT, 3, 1, 0, 0, 5), 2, 2),
    ],
    ids=["plain", "padded-stride-2", "uneven", "dilated"],
)
def test_filters_as_wide_as_their_map_sum_over_whole_rows(
    axis: Axis, kernel: int, dilation: int
) -> None:
    numbers = np.random.default_rng(7)
    x = numbers.normal(size=(ROWS, HEIGHT, WIDTH))
    weight = numbers.normal(size=(FILTERS, kernel, WIDTH))
    bias = numbers.normal(size=FILTERS)
    windows = Windows(axis, Axis(WIDTH, WIDTH, 1, 0, 0, 1), (dilation, 1))
    module = Convolution2d((FILTERS, 1, kernel, WIDTH), windows, None, None, bias=True).double()
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weight[:, None]))
        assert module.bias is not None
        module.bias.copy_(torch.from_numpy(bias))

    y = module(torch.from_numpy(x[:, None]).to(memory_format=torch.channels_last))

    assert module.columns_as_maps
    expected = by_hand(x, weight, axis, dilation) + bias[:, None]
    np.testing.assert_allclose(y.detach().numpy()[..., 0], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("weight", "width", "groups"),
    [
        ((FILTERS, 2, 3, WIDTH), Axis(WIDTH, WIDTH, 1, 0, 0, 1), 1),
        ((FILTERS, 1, 3, 3), Axis(WIDTH, 3, 1, 0, 0, 3), 1),
        ((FILTERS, 1, 3, WIDTH), Axis(WIDTH, WIDTH, 8, 1, 1, 1), 1),
        ((FILTERS, 1, 3, WIDTH), Axis(WIDTH, WIDTH, 1, 0, 0, 1), FILTERS),
        ((FILTERS, 1, 3, 3), Axis(WIDTH, WIDTH, 1, 0, 0, 1), 1),
    ],
    ids=["two-maps", "narrow", "padded", "groups", "dilated"],
)
def test_other_filters_slide_as_they_are(weight: tuple[int, ...], width: Axis, groups: int) -> None:
    windows = Windows(Axis(HEIGHT, 3, 1, 0, 0, 5), width, groups=groups)

    assert not Convolution2d(weight, windows, None, None, bias=False).columns_as_maps
