"""Bytes that arrive piece by piece."""

from collections.abc import Iterable, Iterator

from engine.errors import DataError


class Pieces:
    """A run of bytes of known length, read once from its beginning to its end.

    Attributes:
        label: how messages call it.
        size: its bytes.
        taken: how many of them were read.
    """

    def __init__(self, label: str, size: int, pieces: Iterable[bytes]) -> None:
        self.label = label
        self.size = size
        self.taken = 0
        self._pieces: Iterator[bytes] = filter(None, pieces)
        self._rest = b""

    @property
    def left(self) -> int:
        """How many bytes are still to be read."""
        return self.size - self.taken

    def take(self, count: int) -> bytes:
        """Return the next bytes, exactly so many.

        Raises:
            DataError: there are fewer; no memory was asked for.
        """
        expected = self.taken + count
        if count > self.left:
            raise self._ends(self.size, expected)
        found = bytearray()
        while len(found) < count:
            self._rest = self._rest or next(self._pieces, b"")
            if not self._rest:
                raise self._ends(self.taken + len(found), expected)
            part = self._rest[: count - len(found)]
            self._rest = self._rest[len(part) :]
            found += part
        self.taken = expected
        return bytes(found)

    def _ends(self, size: int, expected: int) -> DataError:
        return DataError(
            f"{self.label} ends after {size} bytes, expected {expected}",
            got=size,
            expected=expected,
        )
