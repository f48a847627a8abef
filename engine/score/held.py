"""Rows of tensors that wait, one behind the other, in memory of their own.

Small tensors that stay alive between the blocks of memory in which a network computes keep these
from being used again: what it computes next does not fit between them.
"""

from collections.abc import Mapping

from torch import Tensor

MANY_VALUES = 1 << 16
"""Values from which on rows are better taken: a report of few costs as much as of many."""


class HeldRows:
    """Rows of tensors by name, copied to where they wait; the memory is kept for later ones.

    Many rows that come at once are not copied, and not kept.

    Attributes:
        rows: that wait.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._room: dict[str, Tensor] = {}
        self._is_own = True

    @property
    def are_many(self) -> bool:
        """Whether ``MANY_VALUES`` wait."""
        return sum(self.rows * room[:1].numel() for room in self._room.values()) >= MANY_VALUES

    def add(self, tensors: Mapping[str, Tensor]) -> None:
        """Add rows: as many of each name, the same names and shapes of a row as before."""
        first, self.rows = self.rows, self.rows + len(next(iter(tensors.values()), ()))
        if not first and sum(tensor.numel() for tensor in tensors.values()) >= MANY_VALUES:
            self._room, self._is_own = dict(tensors), False
            return
        for name, tensor in tensors.items():
            self._roomy(name, tensor, first)[first : self.rows] = tensor

    def taken(self) -> dict[str, Tensor]:
        """Return the rows, which wait no more; they are overwritten by those added next."""
        found = {name: room[: self.rows] for name, room in self._room.items()}
        if not self._is_own:
            self._room, self._is_own = {}, True
        self.rows = 0
        return found

    def _roomy(self, name: str, like: Tensor, waiting: int) -> Tensor:
        """Return memory for all rows of a name, with those in it that were waiting."""
        room = self._room.get(name)
        fits = room is not None and (room.dtype, room.shape[1:]) == (like.dtype, like.shape[1:])
        if room is None or not fits or len(room) < self.rows:
            larger = like.new_empty(max(self.rows, 2 * waiting), *like.shape[1:])
            if waiting and room is not None:
                larger[:waiting] = room[:waiting]
            room = self._room[name] = larger
        return room
