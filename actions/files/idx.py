"""Arrays in the format idx, plain or in gzip.

Source: Y. LeCun, "The MNIST database of handwritten digits", section on file formats: two zero
bytes, a type, the number of axes, the lengths of axes as big-endian int32, then the numbers,
big-endian.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from actions.errors import InvalidFile

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
BLOCK_BYTES = 4 << 20
MOST_AXES = 8


@dataclass(frozen=True)
class Idx:
    """A file of the format idx.

    Attributes:
        shape: lengths of axes; the first counts rows.
    """

    path: Path
    kind: np.dtype[Any]
    shape: tuple[int, ...]

    def blocks(self, rows: int | None = None) -> Iterator[npt.NDArray[Any]]:
        """Yield the rows, some at a time, (rows, ...).

        Args:
            rows: how many at a time; None: a few MB.

        Raises:
            InvalidFile: the file ends early, goes on, or is damaged.
        """
        size = prod(self.shape[1:]) * self.kind.itemsize
        most = rows or max(1, BLOCK_BYTES // max(size, 1))
        with _opened(self.path) as file:
            file.read(4 + 4 * len(self.shape))
            for first in range(0, self.shape[0], most):
                here = min(most, self.shape[0] - first)
                data = file.read(here * size)
                if len(data) < here * size:
                    raise InvalidFile(
                        f"the file {self.path.name!r} ends in row {first + len(data) // size}, "
                        f"expected {self.shape[0]} rows of {size} bytes",
                        rows=self.shape[0],
                    )
                yield np.frombuffer(data, self.kind).reshape(here, *self.shape[1:])
            if file.read(1):
                raise InvalidFile(
                    f"the file {self.path.name!r} goes on after its {self.shape[0]} rows, expected "
                    "its end",
                    rows=self.shape[0],
                )


def read_idx(path: Path) -> Idx:
    """Read the head of a file.

    Raises:
        InvalidFile: it is none of the format.
    """
    with _opened(path) as file:
        head = file.read(4)
        axes = head[3] if len(head) == 4 else 0
        kind = TYPES.get(head[2]) if axes and head[:2] == b"\0\0" else None
        lengths = file.read(4 * axes) if axes <= MOST_AXES else b""
    if kind is None or not lengths or len(lengths) < 4 * axes:
        raise InvalidFile(
            f"the file {path.name!r} begins with {head.hex(' ')}, expected idx: 00 00, a type from "
            f"08 to 0e, and the number of axes, 1 to {MOST_AXES}",
            path=path.name,
        )
    shape = struct.unpack(f">{axes}I", lengths)
    return Idx(path, np.dtype(kind), shape)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as plain:
        is_packed = plain.read(2) == GZIP
        plain.seek(0)
        try:
            if is_packed:
                with gzip.open(plain) as file:
                    yield file  # type: ignore[misc]
            else:
                yield plain
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InvalidFile(f"the file {path.name!r} cannot be unpacked: {error}") from None
