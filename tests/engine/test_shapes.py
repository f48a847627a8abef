import re

import pytest

from engine.errors import ShapeError
from engine.shapes import Shape, flat_size, image, one


def test_the_only_source_is_returned() -> None:
    assert one([(3,)]) == (3,)
    assert image([(3, 4, 5)]) == (3, 4, 5)


@pytest.mark.parametrize("sources", [[], [(1,), (2,)]])
def test_another_number_of_sources_is_refused(sources: list[Shape]) -> None:
    with pytest.raises(ShapeError, match=f"^got {len(sources)} sources, expected one$"):
        one(sources)


def test_a_vector_is_no_image() -> None:
    message = "got (3,), expected (channels, height, width)"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        image([(3,)])


def test_all_values_of_all_sources_are_counted() -> None:
    assert flat_size([(2, 3, 4), (5,)]) == 29
