import re
from itertools import permutations

import numpy as np
import pytest
import torch

from engine.errors import LayerError, ShapeError
from engine.layers.reshape import Reshape
from engine.shapes import Shape
from tests.engine.layers.user_text import NO_NAME
from tests.engine.rows import DEFAULTS


def reshaped(image: np.ndarray, **options: object) -> np.ndarray:
    layer = Reshape.model_validate(options)
    result: np.ndarray = layer.build([image.shape], DEFAULTS)(torch.tensor(image)[None])[0].numpy()
    assert result.shape == layer.infer([image.shape], DEFAULTS)
    return result


def in_order(image: np.ndarray, order: str) -> list[tuple[int, int, int]]:
    """Return the cells (depth, row, column) of an image, the first letter running fastest."""
    sizes = dict(zip("DHW", image.shape, strict=True))
    cells = []
    for slow in range(sizes[order[2]]):
        for middle in range(sizes[order[1]]):
            for fast in range(sizes[order[0]]):
                place = {order[2]: slow, order[1]: middle, order[0]: fast}
                cells.append((place["D"], place["H"], place["W"]))
    return cells


@pytest.mark.parametrize("order", ["".join(each) for each in permutations("WHD")])
@pytest.mark.parametrize("source", [(2, 3, 4), (4, 3, 2), (1, 4, 6), (24, 1, 1)])
def test_values_leave_and_enter_in_the_order_that_is_said(order: str, source: Shape) -> None:
    image = np.random.default_rng(1).normal(size=source)
    expected = np.empty((4, 2, 3))
    for there, here in zip(in_order(expected, order), in_order(image, order), strict=True):
        expected[there] = image[here]

    assert np.array_equal(reshaped(image, depth=4, height=2, width=3, order=order), expected)


def test_one_map_keeps_the_values_of_a_pixel_together() -> None:
    # AUTO with depth 1 is DWH: pixels (0,0), (0,1) of two maps become 1 10, 2 20
    image = np.array([[[1.0, 2], [3, 4]], [[10, 20], [30, 40]]])

    assert reshaped(image, depth=1, height=2, width=4).tolist() == [
        [[1, 10, 2, 20], [3, 30, 4, 40]]
    ]


@pytest.mark.parametrize("depth", [2, 4, 3])
def test_other_depths_keep_the_order_of_memory(depth: int) -> None:
    # AUTO is WHD where the input's depth divides the output's, and where no rule applies
    image = np.arange(24.0).reshape(2, 3, 4)
    options = {"depth": depth, "height": 2, "width": 12 // depth}

    expected = image.reshape(depth, 2, 12 // depth)
    assert np.array_equal(reshaped(image, **options), expected)


@pytest.mark.parametrize("order", ["AUTO", "WHD", "DWH", "HDW"])
def test_a_vector_is_one_row(order: str) -> None:
    vector = np.arange(6.0)

    assert reshaped(vector, width=3, height=2, depth=1, order="WHD").tolist() == [
        [[0, 1, 2], [3, 4, 5]]
    ]
    assert reshaped(vector, width=6, height=1, depth=1, order=order).flatten().tolist() == (
        vector.tolist()
    )


def test_a_sequence_is_one_map() -> None:
    steps = np.arange(6.0).reshape(3, 2)

    assert reshaped(steps, width=2, height=3, depth=1).tolist() == [steps.tolist()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width": 4, "height": 3}, (5, 3, 4)),
        ({"width": 4, "depth": 3}, (3, 5, 4)),
        ({"height": 2, "depth": 10}, (10, 2, 3)),
    ],
)
def test_one_side_may_be_left_out(options: dict[str, int], expected: Shape) -> None:
    layer = Reshape.model_validate(options)

    assert layer.infer([(60,)], DEFAULTS) == expected
    assert layer.infer_open() is None


def test_the_shape_is_known_before_the_source_is() -> None:
    assert Reshape(width=2, height=3, depth=4).infer_open() == (4, 3, 2)


def test_activating_leaves_the_source_as_it_was() -> None:
    module = Reshape(width=2, height=1, depth=1, act="RECTIFIER").build([(2,)], DEFAULTS)
    source = torch.tensor([[-1.0, 2.0]])

    assert module(source).tolist() == [[[[0.0, 2.0]]]]
    assert source.tolist() == [[-1.0, 2.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"width": 3, "height": 2, "depth": 5},
            "got (2, 3, 4), 24 values, expected 30: width 3, height 2, depth 5",
        ),
        (
            {"width": 3, "height": 2, "depth": 2},
            "got (2, 3, 4), 24 values, expected 12: width 3, height 2, depth 2",
        ),
        (
            {"width": 5, "depth": 1},
            "got (2, 3, 4), 24 values, expected a multiple of 5: width 5, depth 1",
        ),
    ],
)
def test_values_are_neither_lost_nor_made_up(options: dict[str, int], message: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Reshape.model_validate(options).infer([(2, 3, 4)], DEFAULTS)


def test_two_open_sides_are_refused() -> None:
    message = (
        "options 'width', 'height' and 'depth' got (3, None, None), expected at least two of them"
    )
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        Reshape(width=3)


def test_a_user_function_comes_with_its_text() -> None:
    with pytest.raises(LayerError, match=f"^{re.escape(NO_NAME)}$"):
        Reshape(width=1, height=1, fcmp_act="mine")
