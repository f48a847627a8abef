"""Extended attributes as bytes."""

import struct

import pytest

from actions.errors import InvalidFile, TooLarge
from actions.extended import MOST_BYTES, Value, as_fact, from_bytes, to_bytes


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


# one set "s" of two attributes: text "y" under "target", and the int32 7 under "n"
BY_HAND = (
    b"Attributes"
    + u32(1)
    + u32(1)
    + b"s"
    + u32(1, 0, 2, 4)
    + b"    "
    + (u32(6) + b"target" + struct.pack("<Q", 2) + b"y\0" + u32(65536))
    + (u32(1) + b"n" + struct.pack("<Q", 4) + struct.pack("<i", 7) + u32(1))
)


def test_bytes_laid_out_by_hand_are_read_and_written_again() -> None:
    sets = from_bytes(BY_HAND)

    assert {key: value.text for key, value in sets["s"].items()} == {"target": "y", "n": "7"}
    assert to_bytes(sets) == BY_HAND


@pytest.mark.parametrize(
    ("value", "text"), [("abc", "abc"), (7, "7"), (0.5, "0.5"), (b"abc", "YWJj")]
)
def test_values_are_told_as_text(value: str | float | bytes, text: str) -> None:
    assert Value.of(value).text == text


def test_what_is_cut_off_is_refused() -> None:
    for size in range(len(BY_HAND)):
        with pytest.raises(InvalidFile, match=r"^the attributes (do not begin like|end at \d+ by)"):
            from_bytes(BY_HAND[:size])
    with pytest.raises(InvalidFile, match=r"^the attributes do not begin like a table of attribut"):
        from_bytes(b"x" * 20)
    long = BY_HAND[:10] + u32(1) + u32(2**32 - 1)
    with pytest.raises(InvalidFile, match=r"^the attributes end at 18 bytes, expected 4294967295 "):
        from_bytes(long)


def test_a_table_has_so_many_and_no_more() -> None:
    message = rf"^the attributes got \d+ bytes, expected at most {MOST_BYTES}$"
    with pytest.raises(TooLarge, match=message):
        as_fact({"s": {"big": Value(0, bytes(MOST_BYTES))}})
