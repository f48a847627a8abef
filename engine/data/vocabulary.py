"""Terms and their ids.

Ids count from 0, the most frequent term first, so that a projection layer's rows are in order of
use; an id of :data:`UNKNOWN` stands for what has no term, and for padding.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.data.text import tokens

UNKNOWN = -1
"""Id of a token without a term, and of padding; a projection layer gives it a vector of zeros."""


def words(text: str | None, *, lower: bool) -> list[str]:
    """Return the tokens of a text, in lower case if asked; a missing text has none."""
    if text is None:
        return []
    return tokens(text.lower() if lower else text)


@dataclass(frozen=True)
class Vocabulary:
    """Terms in order of their ids."""

    terms: tuple[str, ...]

    @classmethod
    def of(cls, counts: Mapping[str, int], *, least: int = 1) -> "Vocabulary":
        """Return the terms that occur often enough: most frequent first, equals by alphabet.

        Args:
            counts: how often every term occurs.
            least: terms that occur less often are left out.
        """
        kept = [(-count, term) for term, count in counts.items() if count >= least]
        return cls(tuple(term for _, term in sorted(kept)))

    @cached_property
    def ids(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    def encode(self, rows: Sequence[Sequence[str]], steps: int) -> npt.NDArray[np.int64]:
        """Return ids (rows, steps); tokens after the last step are cut, missing ones padded."""
        out = np.full((len(rows), steps), UNKNOWN, dtype=np.int64)
        for place, row in enumerate(rows):
            found = [self.ids.get(word, UNKNOWN) for word in row[:steps]]
            out[place, : len(found)] = found
        return out


@dataclass
class Census:
    """The terms of texts, counted, and the tokens of the longest."""

    counts: Counter[str]
    longest: int = 0

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        """Count the tokens of some texts."""
        for row in rows:
            self.counts.update(row)
            self.longest = max(self.longest, len(row))
