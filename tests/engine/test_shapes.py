import re

import pytest

from engine.errors import ShapeError
from engine.shapes import Shape, flat_size, image, one, sequence


@pytest.mark.parametrize("shape", [(5, 8), (1, 5, 8)])
def test_a_sequence_has_steps_and_values(shape: Shape) -> None:
    assert sequence([shape]) == (5, 8)


@pytest.mark.parametrize("shape", [(8,), (2, 5, 8)])
def test_vectors_and_several_maps_are_no_sequence(shape: Shape) -> None:
    message = (
        f"got {shape}, expected (steps, values) or one map of that size; put a reshape layer "
        "before it"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        sequence([shape])


def test_an_image_has_maps_rows_and_columns() -> None:
    assert image([(3, 4, 5)]) == (3, 4, 5)


def test_all_values_of_all_sources_are_counted() -> None:
    assert flat_size([(3, 4, 5), (7,), (2, 3)]) == 73


@pytest.mark.parametrize("sources", [[], [(1,), (2,)]])
def test_one_source_is_one(sources: list[Shape]) -> None:
    with pytest.raises(ShapeError, match=f"^got {len(sources)} sources, expected one$"):
        one(sources)
