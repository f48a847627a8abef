import numpy as np
import pytest
import torch

from engine.modules.boxes import centred, corners, overlap, shape_overlap, suppress
from tests.engine.found import brute_overlap, brute_suppress


def drawn(count: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)) + 0.05


def test_overlap_is_intersection_over_union() -> None:
    # two squares of 2 x 2, one moved by 1: they share 1 x 2 of 4 + 4 - 2
    a, b = torch.tensor([1.0, 1.0, 2.0, 2.0]), torch.tensor([2.0, 1.0, 2.0, 2.0])
    assert overlap(a, b).item() == pytest.approx(2 / 6)
    assert overlap(a, a).item() == 1.0
    assert overlap(a, torch.tensor([9.0, 9.0, 1.0, 1.0])).item() == 0.0


def test_boxes_without_area_overlap_by_nothing() -> None:
    nothing = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert overlap(nothing, nothing).item() == 0.0


def test_overlap_is_that_of_counting() -> None:
    a, b = drawn(20), drawn(20, seed=2)
    expected = [brute_overlap(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_allclose(overlap(a, b).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_shapes_overlap_as_if_their_centres_were_one() -> None:
    assert shape_overlap(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 3.0])).item() == 1 / 4


def test_corners_and_centres_are_two_ways_to_say_a_box() -> None:
    box = torch.tensor([2.0, 3.0, 2.0, 4.0])
    assert corners(box).tolist() == [1.0, 1.0, 3.0, 5.0]
    assert centred(corners(box)).tolist() == box.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_suppression_keeps_what_a_plain_loop_keeps(seed: int) -> None:
    boxes = drawn(40, seed)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(40, generator=generator)
    groups = torch.randint(0, 3, (40,), generator=generator)

    kept = suppress(boxes, scores, groups, 0.3)

    expected = brute_suppress(boxes.tolist(), scores.tolist(), groups.tolist(), 0.3)
    assert kept.tolist() == expected


def test_boxes_of_other_groups_do_not_suppress() -> None:
    boxes = torch.ones(2, 4)
    assert suppress(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 1]), 0.5).tolist() == [1, 0]
    assert suppress(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 0]), 0.5).tolist() == [1]
    assert suppress(boxes[:0], torch.empty(0), torch.empty(0), 0.5).tolist() == []
