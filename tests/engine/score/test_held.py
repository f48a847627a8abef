import pytest
import torch
from torch import Tensor

from engine.score import held
from engine.score.held import HeldRows


def rows(first: int, count: int, width: int = 2) -> Tensor:
    """Return rows of a table whose cells count from zero."""
    return torch.arange(first * width, (first + count) * width).view(count, width).float()


def test_rows_wait_one_behind_the_other() -> None:
    waiting = HeldRows()
    for first, count in ((0, 2), (2, 1), (3, 5)):
        waiting.add({"a": rows(first, count), "b": rows(first, count)[:, 0].long()})

    found = waiting.taken()

    assert found["a"].equal(rows(0, 8))
    assert found["b"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_none_waits_once_they_are_taken() -> None:
    waiting = HeldRows()
    assert waiting.taken() == {}
    waiting.add({"a": rows(0, 3)})
    waiting.taken()
    assert waiting.taken()["a"].shape == (0, 2)
    waiting.add({})
    assert waiting.rows == 0


def test_later_rows_are_copied_to_where_the_earlier_ones_were() -> None:
    waiting = HeldRows()
    waiting.add({"a": rows(0, 3)})
    place = waiting.taken()["a"].data_ptr()

    waiting.add({"a": rows(5, 2)})

    found = waiting.taken()["a"]
    assert found.equal(rows(5, 2))
    assert found.data_ptr() == place


@pytest.mark.parametrize("later", [rows(0, 2, width=3), rows(0, 2).long()])
def test_later_rows_may_be_of_another_shape_or_type(later: Tensor) -> None:
    waiting = HeldRows()
    waiting.add({"a": rows(0, 3)})
    waiting.taken()

    waiting.add({"a": later})

    found = waiting.taken()["a"]
    assert found.equal(later)
    assert found.dtype is later.dtype


def test_values_of_all_names_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MANY_VALUES", 10)
    waiting = HeldRows()
    waiting.add({"a": rows(0, 3), "b": rows(0, 3, width=1)})
    assert not waiting.are_many  # nine
    waiting.add({"a": rows(3, 1), "b": rows(3, 1, width=1)})
    assert waiting.are_many
    waiting.taken()
    assert not waiting.are_many


def test_many_rows_at_once_are_not_copied_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MANY_VALUES", 6)
    waiting = HeldRows()
    many = rows(0, 3)

    waiting.add({"a": many})

    assert waiting.are_many
    assert waiting.taken()["a"].data_ptr() == many.data_ptr()
    waiting.add({"a": rows(7, 1)})
    assert waiting.taken()["a"].equal(rows(7, 1))
    assert many.equal(rows(0, 3))
