import pytest
import torch

from engine.modules.pooling import Pooling2d, SlicedMaximum
from engine.padding import plan_pooling


def pooling(rows: int, columns: int, kernel: int, stride: int) -> Pooling2d:
    axes = [plan_pooling(size, kernel, stride, 0) for size in (rows, columns)]
    return Pooling2d("MAX", axes, None)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [((4, 6), 2, 2), ((7, 5), 3, 2), ((6, 6), 3, 3), ((5, 4), 2, 1), ((3, 3), 3, 1)],
)
def test_maxima_of_slices_are_those_of_windows(
    size: tuple[int, int], kernel: int, stride: int
) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    windows = x.unfold(2, kernel, stride).unfold(3, kernel, stride)

    found = SlicedMaximum(pooling(*size, kernel, stride))(x)

    assert torch.equal(found, windows.amax((-2, -1)))


def test_whether_windows_reach_over_an_edge_is_known() -> None:
    assert pooling(4, 6, 2, 2).is_inside
    shrinking = [plan_pooling(5, 2, 2, None), plan_pooling(4, 2, 2, None)]
    assert not Pooling2d("MAX", shrinking, None).is_inside
    padded = [plan_pooling(4, 3, 1, 1), plan_pooling(4, 3, 1, 1)]
    assert not Pooling2d("MAX", padded, None).is_inside
