"""What a job may ask of other workers, as protocols; ``server.jobs`` implements them over Ray."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.train.replicas import Replicas

if TYPE_CHECKING:
    from actions.context import Context


class Party(Protocol):
    """Workers that run one job together."""

    def meet(self, device: str) -> Replicas:
        """Return this worker's way to the others, when all have come.

        Args:
            device: what it computes on.

        Raises:
            JobFailed: there was no room for one of them in time.
            Cancelled: the caller asked to stop.
            ReplicaLost: one of them is gone.
        """


Gather = Callable[[int], AbstractContextManager[Party]]
"""Lets so many workers, the caller among them, run the job's action until the block's end.

The others run it as the caller does, and meet it. An error of theirs ends the block.
"""


@dataclass(frozen=True)
class Block:
    """Rows of a table that one worker takes at a time.

    Attributes:
        first_row: 0-based.
        rows: how many there are.
    """

    first_row: int
    rows: int


Clerk = Callable[[Block], bytes]
"""Does a part of an action on a block of rows."""

Hire = Callable[["Context"], Clerk]
"""Makes a clerk in another worker, from what the job may touch there; importable by name."""


class Deal(Protocol):
    """Deals blocks to clerks in other workers."""

    def __call__(self, hire: Hire, blocks: Sequence[Block], size: int) -> Iterator[bytes]:
        """Yield what clerks make of blocks, in the order of the blocks.

        A clerk whose worker dies is replaced, and its block done again.

        Args:
            hire: makes a clerk.
            blocks: dealt to whoever is free.
            size: how many clerks there are.

        Raises:
            JobFailed: there was no room for them.
        """
