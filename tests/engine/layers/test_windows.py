import pytest

from engine.layers.convolution import Convolution
from engine.layers.pooling import Pooling


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (None, None)),
        ({"padding": 2}, (2, 2)),
        ({"padding_width": 1}, (None, 1)),
        ({"padding_height": 3}, (3, None)),
        ({"padding_height": 0, "padding_width": 1}, (0, 1)),
    ],
)
def test_padding_is_said_for_both_axes_or_for_each(
    given: dict[str, int], expected: tuple[int | None, int | None]
) -> None:
    # P6
    assert Pooling.model_validate(given).paddings() == expected
    assert Convolution.model_validate({"n_filters": 1, **given}).paddings() == expected
