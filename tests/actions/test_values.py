from datetime import UTC, date, datetime, time

import pyarrow as pa
import pytest

from actions.values import arrow_value, best, formatted, number_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (-1.5, "-1.5"),
        (1 / 3, "0.3333333333"),
        (123456789012.0, "123456789012"),
        (1234567890123.0, "1.2345679E12"),
        (1e-20, "1E-20"),
        (-1.23456789e-15, "-1.23457E-15"),
        (float("inf"), "I"),
        (float("-inf"), "M"),
    ],
)
def test_numbers_are_shown_in_twelve_characters(value: float, text: str) -> None:
    assert best(value) == text


def test_a_width_in_which_no_digit_fits_is_filled_with_stars() -> None:
    assert best(-1e300, 3) == "***"


@pytest.mark.parametrize(
    ("value", "kind", "number"),
    [
        (date(1960, 1, 2), pa.date32(), 1.0),
        (date(1959, 12, 31), pa.date32(), -1.0),
        (datetime(1960, 1, 1, 0, 1, tzinfo=UTC), pa.timestamp("us", "UTC"), 60.0),
        (datetime(1960, 1, 1, 0, 1), pa.timestamp("us"), 60.0),  # noqa: DTZ001
        (time(1, 0, 0, 500_000), pa.time64("us"), 3600.5),
        (7, pa.int64(), 7.0),
        (True, pa.bool_(), 1.0),
    ],
)
def test_values_and_their_numbers_are_one_to_one(
    value: object, kind: pa.DataType, number: float
) -> None:
    assert number_of(value) == number
    assert arrow_value(number, kind) == value


def test_what_is_no_number_is_missing() -> None:
    assert number_of(float("nan")) is None
    assert number_of("x") is None


def test_values_are_shown_in_the_manner_of_their_column() -> None:
    assert formatted(1.0, pa.date32()) == "1960-01-02"
    assert formatted(None, pa.float64()) == "."
    assert formatted(None, pa.string()) == ""
    assert formatted("x", pa.string()) == "x"
