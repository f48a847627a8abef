import pytest
import torch

from engine.score.agreement import difference


@pytest.mark.parametrize(
    ("found", "plain", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5 / 2.5),
        ([0.1, 0.2], [0.1, 0.25], 0.05),
        ([float("nan"), 1.0], [float("nan"), 1.0], 0.0),
        ([float("nan"), 1.0], [2.0, 1.0], float("inf")),
        ([], [], 0.0),
    ],
)
def test_differences_are_in_units_of_the_largest_output(
    found: list[float], plain: list[float], expected: float
) -> None:
    apart = difference({"out": torch.tensor(found)}, {"out": torch.tensor(plain)})
    assert apart == pytest.approx(expected)
