"""Text as tokens, and tokens as vectors.

A token is a run of letters, digits and underscores, or one other character that is no blank: every
mark of punctuation is a token of its own.

Source: the deepLearn reference, text parameters; Zhang and Wallace, "A sensitivity analysis of
convolutional neural networks for sentence classification", 2015, where punctuation counts (F88).
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from engine.errors import DataError

Float32 = npt.NDArray[np.float32]

TOKEN = re.compile(r"\w+|[^\w\s]")

KEPT_BYTES = 16 << 20
"""Vectors up to this size are kept with the weights; larger ones are asked for when scoring."""
MOST_STEPS = 1000
"""Tokens of a text that are read at most."""


def tokens(text: str) -> list[str]:
    """Return the tokens of a text."""
    return TOKEN.findall(text)


class Embeddings(BaseModel):
    """Terms and their vectors.

    Attributes:
        table: name of the table they come from.
        size: values of a vector.
        terms: empty where the vectors are too large to be kept.
        vectors: of all terms in order, little-endian float32 in base64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    size: int
    terms: tuple[str, ...] = ()
    vectors: str = ""

    @classmethod
    def of(cls, table: str, terms: Sequence[str], vectors: Float32) -> "Embeddings":
        """Return the embeddings of a table of terms and vectors (terms, size).

        Raises:
            DataError: there is no term, or no value.
        """
        if not len(terms) or not vectors.shape[1]:
            raise DataError(
                f"embeddings {table!r} got {len(terms)} terms of {vectors.shape[1]} values, "
                "expected a column of terms and at least one column of numbers",
                table=table,
            )
        data = b64encode(vectors.astype("<f4").tobytes()).decode()
        return cls(table=table, size=vectors.shape[1], terms=tuple(terms), vectors=data)

    @property
    def kept(self) -> "Embeddings":
        """What is kept with the weights: all, or the name alone if that would be too large."""
        is_large = len(self.terms) * self.size * np.dtype("<f4").itemsize > KEPT_BYTES
        return Embeddings(table=self.table, size=self.size) if is_large else self

    @cached_property
    def matrix(self) -> Float32:
        """Vectors (terms + 1, size); the last one, of unknown terms, is zero."""
        known = np.frombuffer(b64decode(self.vectors), dtype="<f4").reshape(-1, self.size)
        return np.concatenate([known, np.zeros((1, self.size), np.float32)]).astype(np.float32)

    @cached_property
    def places(self) -> dict[str, int]:
        """Row of every term; of a term that occurs twice the first counts."""
        return {term: row for row, term in reversed(list(enumerate(self.terms)))}

    def rows(self, words: Sequence[str]) -> list[int]:
        """Return the rows of words: as they are spelled, else in lower case, else the last."""
        unknown = len(self.terms)
        return [self.places.get(word, self.places.get(word.lower(), unknown)) for word in words]
