"""Mini-batches on their way to a device, ahead of who takes them."""

from collections.abc import Iterator

import torch

from engine.data.batches import Batch, BatchSource
from engine.overlap import ahead
from engine.transfer import Link, Sent

DEPTH = 1
"""Mini-batches that wait on the device for the one that is computed."""


class Feed:
    """A source in the memory of the host, whose mini-batches another thread sends to a device.

    The orders of rows are drawn in that thread; all of an epoch's are drawn when it has ended.
    """

    def __init__(self, source: BatchSource, link: Link) -> None:
        self.source = source
        self.link = link

    @property
    def rows(self) -> int:
        return self.source.rows

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        for inputs, targets, rows in ahead(self._sent(batch_rows, generator), DEPTH):
            yield Batch(self.link.receive(inputs), self.link.receive(targets), rows)

    def _sent(
        self, batch_rows: int, generator: torch.Generator | None
    ) -> Iterator[tuple[Sent, Sent, int]]:
        for batch in self.source.epoch(batch_rows, generator):
            yield self.link.send(batch.inputs), self.link.send(batch.targets), batch.rows
