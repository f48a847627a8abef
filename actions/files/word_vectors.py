"""Word vectors in the text form of word2vec and GloVe: a term and its numbers, a line each."""

import gzip
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from actions.errors import InvalidFile

LONGEST_LINE = 1 << 20
"""Bytes of a line that are read at most."""
LINES_AT_ONCE = 8192
_GZIP = b"\x1f\x8b"

Terms = tuple[list[str], npt.NDArray[np.float32]]
"""Terms and their vectors (terms, size)."""


def read_word_vectors(path: Path, known: Collection[str] | None) -> tuple[int, Iterator[Terms]]:
    """Return the size of the vectors of a file, and its terms in blocks.

    Args:
        path: text in UTF-8, plain or in gzip; a first line of two numbers, as word2vec writes it,
            is left out.
        known: terms to read; None reads all.

    Raises:
        InvalidFile: the file is empty, a line is no term with as many finite numbers as the first,
            or is longer than 1 MiB; the message names the line.
    """
    with _open(path) as file:
        first = next(_lines(file, path.name), None)
        has_head = first is not None and len(first[1]) == 1
        second = next(_lines(file, path.name, 2), None) if has_head else first
    if second is None or not second[1]:
        raise InvalidFile(
            f"the file {path.name!r} has no word vectors, expected lines of a term and numbers",
            file=path.name,
        )
    size = len(second[1])
    return size, _blocks(path, size, int(has_head), known)


def schema_of(size: int) -> pa.Schema:
    """Return the columns of a table of word vectors."""
    fields: list[tuple[str, pa.DataType]] = [("_Term_", pa.string())]
    return pa.schema([*fields, *((f"_V{each}_", pa.float32()) for each in range(size))])


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path, "rb")) if is_packed else path.open("rb")


def _lines(file: BinaryIO, name: str, number: int = 1) -> Iterator[tuple[str, list[bytes], int]]:
    """Yield term, the cells after it and the line's number."""
    try:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise InvalidFile(
                    f"line {number} of {name!r} is longer than {LONGEST_LINE} bytes, "
                    "expected a term and numbers",
                    file=name,
                    line=number,
                )
            term, *cells = line.rstrip().split(b" ")
            yield term.decode("utf-8"), cells, number
            number += 1
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise InvalidFile(
            f"line {number} of {name!r} cannot be read: {error}; expected text in UTF-8",
            file=name,
            line=number,
        ) from error


def _blocks(path: Path, size: int, skipped: int, known: Collection[str] | None) -> Iterator[Terms]:
    with _open(path) as file:
        lines = islice(_lines(file, path.name), skipped, None)
        wanted = (each for each in lines if known is None or each[0] in known)
        while block := list(islice(wanted, LINES_AT_ONCE)):
            terms = [term for term, _, _ in block]
            yield terms, np.stack([_vector(cells, size, n, path.name) for _, cells, n in block])


def _vector(cells: list[bytes], size: int, number: int, name: str) -> npt.NDArray[np.float32]:
    try:
        values = np.array(cells, dtype=np.float32)
    except ValueError:
        values = np.full(len(cells), np.nan, np.float32)
    if len(values) != size or not np.isfinite(values).all():
        raise InvalidFile(
            f"line {number} of {name!r} has {len(cells)} cells after the term, "
            f"expected {size} finite numbers",
            file=name,
            line=number,
            got=len(cells),
            expected=size,
        )
    return values
