import numpy as np
import pytest

from engine.data.columns import (
    distinct,
    find_name,
    is_character,
    level_codes,
    numbers,
    pick,
    row_count,
    shown,
    text_of,
)
from engine.errors import DataError


def objects(*values: object) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"^columns got lengths {'a': 1, 'b': 2}, expected equal"):
        row_count({"a": np.zeros(1), "b": np.zeros(2)})


def test_a_table_without_columns_has_no_rows() -> None:
    assert row_count({}) == 0


def test_a_column_is_found_in_any_case() -> None:
    assert find_name(["_Label_", "x"], "_label_") == "_Label_"
    assert find_name(["a", "A"], "A") == "A"


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(
        DataError, match=r"^the table has no column 'wieght'; did you mean 'Weight'\?$"
    ):
        pick({"Weight": np.zeros(1)}, "wieght")


def test_a_missing_column_without_a_near_one_is_named_alone() -> None:
    with pytest.raises(DataError, match=r"^the table has no column 'y'$"):
        pick({"weight": np.zeros(1)}, "y")


def test_text_and_columns_without_any_value_are_character() -> None:
    assert is_character(objects(None, "a"))
    assert is_character(objects(None, None))
    assert is_character(np.array(["a", "b"]))
    assert not is_character(np.array([1.0, np.nan]))
    assert not is_character(objects(1, None))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (np.int64(3), "3"),
        (np.float64(0.5), "0.5"),
        (np.str_("a"), "'a'"),
        ("a", "'a'"),
        (2, "2"),
        (None, "None"),
    ],
)
def test_a_message_shows_plain_values(cell: object, text: str) -> None:
    assert shown(cell) == text


def test_missing_numbers_are_nan_whatever_holds_them() -> None:
    np.testing.assert_array_equal(
        numbers(objects(1, None, " ", 2.5), "x"), [1, np.nan, np.nan, 2.5]
    )
    np.testing.assert_array_equal(numbers(np.array([True, False]), "x"), [1.0, 0.0])
    np.testing.assert_array_equal(numbers(np.array([3, 4]), "x"), [3.0, 4.0])


def test_text_in_a_numeric_column_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match=r"^column 'x', row 11 got 'abc', expected a number$"):
        numbers(objects(1.0, "abc"), "x", 10)


def test_bytes_in_a_numeric_column_are_counted_and_not_shown() -> None:
    with pytest.raises(DataError, match=r"^column 'x', row 0 got 3 bytes, expected a number$"):
        numbers(objects(b"abc"), "x")


def test_dates_are_no_numbers() -> None:
    with pytest.raises(
        DataError, match=r"^column 'x' got values of type datetime64\[D\], expected numbers$"
    ):
        numbers(np.array(["2020-01-01"], dtype="datetime64[D]"), "x")


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"^column 'x', row 1 got an infinite value, expected a finite number$"
    ):
        numbers(np.array([1.0, -np.inf]), "x")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3.0, "3"),
        (np.float32(2.0), "2"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
        (np.int64(2**60), "1152921504606846976"),
        (True, "true"),
        (np.zeros(1, dtype=bool)[0], "false"),
        ("Yes", "Yes"),
        ("  ", None),
        (None, None),
        (float("nan"), None),
        (b"x", "b'x'"),
    ],
)
def test_a_level_is_named_as_a_reader_would(value: object, name: str | None) -> None:
    assert text_of(value) == name


def test_levels_become_codes_and_missing_is_not_unknown() -> None:
    codes = level_codes(np.array([2.0, np.nan, 1.0, 9.0]), {"1": 0, "2": 1}, -1, -2)
    np.testing.assert_array_equal(codes, [1, -2, 0, -1])


def test_distinct_values_come_in_the_order_met() -> None:
    values, positions = distinct(np.array([5, 3, 5, 9]))

    assert values == [5, 3, 9]
    np.testing.assert_array_equal(positions, [0, 1, 0, 2])


def test_distinct_text_comes_in_the_order_met() -> None:
    values, positions = distinct(objects("b", None, "a", "b"))

    assert values == ["b", None, "a"]
    np.testing.assert_array_equal(positions, [0, 1, 2, 0])
