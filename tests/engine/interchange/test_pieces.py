import pytest

from engine.errors import DataError
from engine.interchange.pieces import Pieces


def test_bytes_are_taken_across_the_pieces_they_come_in() -> None:
    pieces = Pieces("the file", 6, [b"ab", b"", b"cdef"])

    assert [pieces.take(1), pieces.take(4), pieces.take(1)] == [b"a", b"bcde", b"f"]
    assert pieces.left == 0


def test_more_than_there_is_cannot_be_taken() -> None:
    pieces = Pieces("the file", 6, [b"abcdef"])
    pieces.take(2)

    with pytest.raises(DataError) as caught:
        pieces.take(1 << 40)

    assert caught.value.message == f"the file ends after 6 bytes, expected {2 + (1 << 40)}"


def test_pieces_that_are_fewer_than_was_said_are_told() -> None:
    pieces = Pieces("the file", 6, [b"abc"])

    with pytest.raises(DataError, match=r"^the file ends after 3 bytes, expected 5$"):
        pieces.take(5)
