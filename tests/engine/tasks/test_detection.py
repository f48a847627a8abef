from math import exp, log

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.devices import seeded
from engine.losses import Target
from engine.tasks.detection import Detection, Grid, Scales, decode
from engine.tasks.found import Limits
from tests.engine.found import brute_overlap

LIMITS = Limits(0.2, 0.4, 10)
ANCHORS = ((1.0, 1.0), (2.0, 0.5))
NO_OBJECT = [-1.0, 0.0, 0.0, 0.0, 0.0]


def logistic(x: float) -> float:
    return 1 / (1 + exp(-x))


def anchored(classes: int = 2, cells: int = 2, **options: object) -> Detection:
    grid = Grid(cells, 2, classes, ANCHORS, has_softmax=bool(options.pop("has_softmax", True)))
    scales = options.pop("scales", Scales())
    assert isinstance(scales, Scales)
    return Detection(Target("objects", classes), grid, scales, LIMITS, **options)  # type: ignore[arg-type]


def plain(**options: object) -> Detection:
    grid = Grid(1, 2, 2, is_linear=True)
    return Detection(Target("objects", 2), grid, Scales(), LIMITS, **options)  # type: ignore[arg-type]


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_boxes_of_version_two_are_those_of_a_plain_loop() -> None:
    task = anchored(classes=3, cells=2)
    raw = drawn(2, 2 * 8, 2, 2)

    found = decode(raw, task.grid)

    for row in range(2):
        place = 0
        for y in range(2):
            for x in range(2):
                for anchor, (width, height) in enumerate(ANCHORS):
                    values = raw[row, anchor * 8 : anchor * 8 + 8, y, x].tolist()
                    box = [
                        x + logistic(values[0]),
                        y + logistic(values[1]),
                        width * exp(values[2]),
                        height * exp(values[3]),
                    ]
                    assert found.boxes[row, place].tolist() == pytest.approx(box, rel=1e-5)
                    confidence = found.confidence[row, place].item()
                    assert confidence == pytest.approx(logistic(values[4]), rel=1e-5)
                    assert found.classes[row, place].tolist() == pytest.approx(values[5:])
                    place += 1


def test_values_of_version_one_are_classes_then_confidences_then_boxes() -> None:
    grid = Grid(2, 1, 2, is_linear=True)
    raw = torch.arange(4 * 2 + 4 + 16, dtype=torch.float32)[None]

    found = decode(raw, grid)

    assert found.classes[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert found.confidence[0].tolist() == [8, 9, 10, 11]
    # the second cell lies right of the first; sides are fractions of the picture, here two cells
    assert found.boxes[0, 0].tolist() == [12, 13, 28, 30]
    assert found.boxes[0, 1].tolist() == [16 + 1, 17, 36, 38]
    assert found.boxes[0, 2].tolist() == [20, 21 + 1, 44, 46]


def test_huge_sizes_do_not_overflow() -> None:
    raw = torch.full((1, 14, 2, 2), 1e4)
    assert decode(raw, anchored().grid).boxes.isfinite().all()


def test_the_anchor_of_the_most_similar_shape_is_responsible() -> None:
    task = anchored()
    # in cells: centre (1.5, 0.5), so the second cell; 1.8 x 0.6 suits the second anchor
    target = torch.tensor([[[0.0, 0.75, 0.25, 0.9, 0.3]]])
    match = task.match(decode(torch.zeros(1, 14, 2, 2), task.grid), target)

    assert match.places.tolist() == [[1 * 2 + 1]]
    assert match.boxes[0, 0].tolist() == pytest.approx([1.5, 0.5, 1.8, 0.6])


def test_without_matching_anchors_the_predicted_shape_decides() -> None:
    task = anchored(matches_anchors=False)
    raw = torch.zeros(1, 2, 7, 2, 2)
    raw[0, 0, 2] = log(1.8)
    raw[0, 0, 3] = log(0.6)
    raw[0, 1, 2] = 2.0
    target = torch.tensor([[[0.0, 0.75, 0.25, 0.9, 0.3]]])

    match = task.match(decode(raw.reshape(1, 14, 2, 2), task.grid), target)

    assert match.places.tolist() == [[2]]


def test_version_one_makes_the_box_that_overlaps_most_responsible() -> None:
    task = plain()
    raw = torch.tensor([[0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.5, 0.5, 0.8, 0.9]])
    target = torch.tensor([[[1.0, 0.5, 0.5, 0.8, 0.8]]])

    assert task.match(decode(raw, task.grid), target).places.tolist() == [[1]]


def test_the_loss_of_version_two_is_the_sum_worked_by_hand() -> None:
    task = anchored(scales=Scales(2.0, 3.0, 0.5, 4.0))
    # all raw values 0: centres in the middle of cells, sizes of anchors, confidences 1/2
    target = torch.tensor([[[1.0, 0.3, 0.25, 0.45, 0.5], NO_OBJECT]])
    box, truth = (0.5, 0.5, 1.0, 1.0), (0.6, 0.5, 0.9, 1.0)
    iou = brute_overlap(box, truth)
    coord = 0.1**2 + (1 - 0.9**0.5) ** 2
    # the other prediction of the cell and six of other cells overlap too little to be spared
    idle = [
        place
        for place in range(8)
        if place != 0 and brute_overlap((*_corner(place), *ANCHORS[place % 2]), truth) <= 0.6
    ]
    expected = 2 * coord + 3 * (iou - 0.5) ** 2 + 0.5 * len(idle) * 0.25 + 4 * log(2)

    assert task.loss(torch.zeros(1, 14, 2, 2), target).item() == pytest.approx(expected, rel=1e-5)


def _corner(place: int) -> tuple[float, float]:
    cell = place // 2
    return cell % 2 + 0.5, cell // 2 + 0.5


def test_without_roots_sides_are_compared_as_they_are() -> None:
    task = anchored(scales=Scales(1.0, 0.0, 0.0, 0.0), has_roots=False)
    target = torch.tensor([[[1.0, 0.3, 0.25, 0.45, 0.5]]])

    loss = task.loss(torch.zeros(1, 14, 2, 2), target)

    assert loss.item() == pytest.approx(0.1**2 + 0.1**2, rel=1e-4)


def test_without_softmax_classes_are_compared_by_squares() -> None:
    task = anchored(scales=Scales(0.0, 0.0, 0.0, 1.0), has_softmax=False)
    target = torch.tensor([[[1.0, 0.3, 0.25, 0.45, 0.5]]])

    # logistic(0) = 1/2 for both classes
    assert task.loss(torch.zeros(1, 14, 2, 2), target).item() == pytest.approx(0.5)


def test_the_loss_of_version_one_is_the_sum_worked_by_hand() -> None:
    raw = torch.tensor([[0.0, 0.0, 0.3, 0.6, 0.5, 0.5, 0.1, 0.1, 0.5, 0.4, 0.64, 0.81]])
    target = torch.tensor([[[1.0, 0.5, 0.5, 0.81, 0.81]]])
    iou = brute_overlap((0.5, 0.4, 0.64, 0.81), (0.5, 0.5, 0.81, 0.81))
    # second box: its centre is off by 0.1, its width 0.8² for 0.9²; classes are even
    expected = 0.1**2 + 0.1**2 + (iou - 0.6) ** 2 + 0.3**2 + 2 * 0.5**2

    assert plain().loss(raw, target).item() == pytest.approx(expected, rel=1e-5)


def test_an_image_without_objects_only_loses_by_confidence() -> None:
    task = anchored()
    target = torch.tensor([[NO_OBJECT]])
    raw = torch.zeros(1, 14, 2, 2)

    assert task.loss(raw, target).item() == pytest.approx(8 * 0.25)
    assert task.fit_error(raw, target).item() == 0.0
    known = task.known(target)
    assert (known.has_loss.tolist(), known.has_error.tolist()) == ([True], [False])


def test_the_first_images_draw_all_predictions_to_their_anchors() -> None:
    forced = anchored(scales=Scales(force_coord=0.5), forced_rows=2)
    free = anchored()
    target = torch.tensor([[NO_OBJECT]])
    raw = torch.zeros(1, 14, 2, 2)
    raw[:, 2] = log(4.0)  # the first prediction of the four cells is four anchors wide
    plain_loss = free.loss(raw, target).item()

    losses = [forced.loss(raw, target).item() for _ in range(3)]

    # (sqrt 4 - sqrt 1)² in four cells, for two images
    assert losses == pytest.approx([plain_loss + 0.5 * 4, plain_loss + 0.5 * 4, plain_loss])
    assert forced.scored_loss(raw, target).item() == pytest.approx(plain_loss)


def test_shuffled_objects_are_the_same_objects_in_another_order() -> None:
    task = anchored(is_shuffled=True)
    task.draw_from(seeded(1))
    target = drawn(40, 5, 5)
    mixed = task.shuffled(target)

    moved = (mixed != target).flatten(1).any(dim=1)
    assert int(moved.sum()) > 30  # one row in 120 stays as it is by chance
    for before, after in zip(target.tolist(), mixed.tolist(), strict=True):
        assert sorted(before) == sorted(after)


def test_a_loss_that_is_a_sum_does_not_feel_the_order_of_objects() -> None:
    target = torch.tensor([[[0, 0.2, 0.3, 0.2, 0.4], [1, 0.7, 0.8, 0.3, 0.1], NO_OBJECT]])
    raw = drawn(1, 14, 2, 2)
    task = anchored(is_shuffled=True)
    task.draw_from(seeded(1))

    for _ in range(5):
        torch.testing.assert_close(task.loss(raw, target), anchored().loss(raw, target))


def test_fit_error_is_one_less_the_mean_overlap() -> None:
    task = anchored()
    target = torch.tensor([[[1.0, 0.25, 0.25, 0.5, 0.5], [0.0, 0.75, 0.75, 0.5, 0.25]]])
    # the first is met exactly, the second by a square of twice its height
    error = task.fit_error(torch.zeros(1, 14, 2, 2), target)

    assert error.item() == pytest.approx(1 - (1 + 0.5) / 2)


def test_a_gradient_reaches_all_values_of_the_responsible_prediction_alone() -> None:
    task = anchored(scales=Scales(no_object=0.0))
    raw = drawn(1, 14, 2, 2).requires_grad_()
    target = torch.tensor([[[1.0, 0.3, 0.7, 0.4, 0.5]]])

    (gradient,) = torch.autograd.grad(task.loss(raw, target).sum(), raw)

    touched = gradient.reshape(2, 7, 2, 2).ne(0)
    assert touched[0, :, 1, 0].all()
    assert int(touched.sum()) == 7


def test_training_on_one_image_finds_its_objects() -> None:
    task = anchored(cells=3)
    raw = drawn(1, 14, 3, 3).requires_grad_()
    target = torch.tensor([[[1.0, 0.2, 0.7, 0.3, 0.4], [0.0, 0.8, 0.3, 0.6, 0.2]]])
    optimizer = torch.optim.Adam([raw], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(raw, target).sum())
        optimizer.step()

    predictions = task.predict(raw.detach())[0]

    best = predictions[predictions[:, 4] > 0.5]
    assert sorted(best[:, 5:].argmax(dim=1).tolist()) == [0, 1]
    assert task.fit_error(raw.detach(), target).item() < 0.05
    np.testing.assert_allclose(best[:, 5:].sum(dim=1).numpy(), 1.0, rtol=1e-5)
