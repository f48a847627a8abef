"""Sums over rows, which parts of a table add to each other when they were scored apart."""

from typing import Any, ClassVar

import numpy as np

State = dict[str, Any]
"""Numbers, lists of them and further states by name; JSON can hold it."""


class Sums:
    """Something that adds up while rows are scored.

    Attributes:
        added: names of what is added up: numbers, arrays, lists of arrays, and further sums.
    """

    added: ClassVar[tuple[str, ...]] = ()

    def state(self) -> State:
        """Return what was added up so far."""
        return {name: _plain(getattr(self, name)) for name in self.added}

    def absorb(self, state: State) -> None:
        """Add what another of this kind has added up."""
        for name in self.added:
            mine, theirs = getattr(self, name), state[name]
            if isinstance(mine, Sums):
                mine.absorb(theirs)
            elif isinstance(mine, list):
                mine.extend(np.array(each) for each in theirs)
            elif isinstance(mine, np.ndarray):
                mine += np.array(theirs, mine.dtype).reshape(mine.shape)
            else:
                setattr(self, name, mine + theirs)


def _plain(value: Any) -> Any:
    if isinstance(value, Sums):
        return value.state()
    if isinstance(value, list):
        return [each.tolist() for each in value if len(each)]
    return value.tolist() if isinstance(value, np.ndarray) else value
