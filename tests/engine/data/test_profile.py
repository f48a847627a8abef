import numpy as np
import pytest

import engine.data.profile
from engine.data.profile import LevelProfile, NumericProfile
from engine.errors import DataError
from tests.engine.networks import objects


def everything(rows: int) -> np.ndarray:
    return np.ones(rows, dtype=bool)


def test_statistics_of_batches_are_those_of_the_whole_column() -> None:
    # far from zero, where the textbook sum of squares loses every digit
    values = 1e9 + np.random.default_rng(7).normal(size=1000)
    profile = NumericProfile("x")

    for part in np.array_split(values, 7):
        profile.add(part, everything(len(part)))

    assert profile.mean == pytest.approx(values.mean(), rel=1e-15)
    assert profile.deviation == pytest.approx(values.std(), rel=1e-9)
    assert (profile.low, profile.high) == (values.min(), values.max())


def test_missing_and_dropped_values_do_not_count() -> None:
    profile = NumericProfile("x")
    profile.add(np.array([1.0, np.nan, 3.0, 100.0]), np.array([True, True, True, False]))
    assert (profile.mean, profile.high, profile.count, profile.present) == (2.0, 3.0, 2, 3)


def test_numeric_levels_are_sorted_by_value() -> None:
    profile = LevelProfile("x")
    profile.add(np.array([10.0, 9.0, 100.0]), everything(3))
    assert profile.ordered("ASCENDING") == ("9", "10", "100")
    assert profile.ordered("DESCENDING") == ("100", "10", "9")
    assert profile.ordered("HASH") == ("10", "9", "100")


def test_text_levels_are_sorted_as_text() -> None:
    profile = LevelProfile("x")
    profile.add(objects("b", "B", "a", None), everything(4))
    assert profile.ordered("ASCENDING") == ("B", "a", "b")
    assert profile.has_missing


def test_levels_of_dropped_rows_do_not_count() -> None:
    profile = LevelProfile("x")
    profile.add(objects("b", None, "a"), np.array([False, False, True]))
    assert profile.ordered("HASH") == ("a",)
    assert not profile.has_missing
    assert profile.present == 2


def test_too_many_levels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.data.profile, "LEVEL_LIMIT", 2)
    with pytest.raises(
        DataError,
        match=r"^column 'id' has more than 2 levels, expected fewer; is it a key, or a number "
        r"that should not be nominal\?$",
    ):
        LevelProfile("id").add(objects("a", "b", "c"), everything(3))
