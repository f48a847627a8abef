"""Where a trainer's mini-batches come from.

A resident source encodes a table once and cuts batches out of memory; a streaming source reads and
encodes it again every epoch. In stored order both give the same batches.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.data.columns import Columns, row_count
from engine.data.encode import Encoded, Encoder
from engine.errors import DataError
from engine.overlap import ahead, side_by_side

Tensors = Mapping[str, Tensor]

SHUFFLE_ROWS = 10_000
"""Rows a streaming source holds at a time to mix their order."""


@dataclass(frozen=True)
class Batch:
    """A mini-batch.

    Attributes:
        inputs: by input layer, (N, C, H, W) or (N, D).
        targets: by task layer, (N,) or (N, V).
        rows: N.
    """

    inputs: Tensors
    targets: Tensors
    rows: int

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; itself if it is there."""
        return Batch(
            {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()},
            {name: tensor.to(device, non_blocking=True) for name, tensor in self.targets.items()},
            self.rows,
        )


class BatchSource(Protocol):
    """A table as mini-batches, epoch after epoch."""

    @property
    def rows(self) -> int:
        """Rows of an epoch."""

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield the rows once, in batches of ``batch_rows`` and a last one of what is left.

        Args:
            batch_rows: rows of a mini-batch.
            generator: draws a new order; None means the stored one.
        """


class ResidentSource:
    """A table encoded once and held in memory, images as bytes."""

    def __init__(self, inputs: Tensors, targets: Tensors) -> None:
        self.table = Batch(inputs, targets, len(next(iter(inputs.values()))))

    @classmethod
    def read(
        cls,
        encoder: Encoder,
        batches: Iterable[Columns],
        device: torch.device | None = None,
        *,
        lanes: int = 0,
    ) -> "ResidentSource":
        """Encode a table.

        Args:
            encoder: of its rows.
            batches: its rows.
            device: whose memory holds it; None: that of the host.
            lanes: see ``encoded_batches``.

        Raises:
            DataError: a cell is not what its variable expects, or no row can be used.
        """
        parts = encoded_batches(encoder, batches, lanes)
        table = _joined([part if device is None else part.to(device) for part in parts])
        return cls(table.inputs, table.targets)

    @property
    def rows(self) -> int:
        return self.table.rows

    @property
    def size_bytes(self) -> int:
        """Memory held."""
        tensors = (*self.table.inputs.values(), *self.table.targets.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        return _cut(self.table, batch_rows, generator)


class StreamingSource:
    """A table read and encoded again every epoch, for tables larger than memory.

    A drawn order mixes the rows of ``shuffle_rows`` at a time (of the whole table if it has no
    more than that). Rows are read and encoded in another thread, ahead of who takes them; with
    lanes they are encoded in so many.
    """

    def __init__(
        self,
        encoder: Encoder,
        read: Callable[[], Iterable[Columns]],
        rows: int,
        *,
        shuffle_rows: int = SHUFFLE_ROWS,
        overlaps: bool = True,
        lanes: int = 0,
    ) -> None:
        self.encoder = encoder
        self.read = read
        self.shuffle_rows = shuffle_rows
        self.overlaps = overlaps
        self.lanes = lanes
        self._rows = rows

    @property
    def rows(self) -> int:
        return self._rows

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        block_rows = batch_rows
        if generator is not None:
            block_rows *= max(1, -(-self.shuffle_rows // batch_rows))
        blocks = _blocks(encoded_batches(self.encoder, self.read(), self.lanes), block_rows)
        for block in ahead(blocks, depth=1) if self.overlaps else blocks:
            yield from _cut(block, batch_rows, generator)


def encoded_batches(
    encoder: Encoder, batches: Iterable[Columns], lanes: int = 0
) -> Iterator[Batch]:
    """Yield a table's batches as tensors, those without a used row left out.

    Args:
        encoder: of its rows.
        batches: its rows.
        lanes: batches encoded side by side; 0: one after the other in this thread.
    """

    def encode(part: tuple[Columns, int]) -> Encoded:
        return encoder.encode(*part)

    parts = _placed(batches)
    for encoded in side_by_side(encode, parts, lanes) if lanes else map(encode, parts):
        if encoded.rows:
            yield Batch(encoded.inputs, encoded.targets, encoded.rows)


def _placed(batches: Iterable[Columns]) -> Iterator[tuple[Columns, int]]:
    """Yield batches with the 0-based row where each begins."""
    first_row = 0
    for columns in batches:
        yield columns, first_row
        first_row += row_count(columns)


def _joined(parts: Sequence[Batch]) -> Batch:
    if not parts:
        raise DataError("no row of the table can be used, expected at least one")
    if len(parts) == 1:
        return parts[0]
    return Batch(
        {name: torch.cat([part.inputs[name] for part in parts]) for name in parts[0].inputs},
        {name: torch.cat([part.targets[name] for part in parts]) for name in parts[0].targets},
        sum(part.rows for part in parts),
    )


def _slice(batch: Batch, first: int, last: int) -> Batch:
    return Batch(
        {name: tensor[first:last] for name, tensor in batch.inputs.items()},
        {name: tensor[first:last] for name, tensor in batch.targets.items()},
        last - first,
    )


def _cut(table: Batch, batch_rows: int, generator: torch.Generator | None) -> Iterator[Batch]:
    order = None
    if generator is not None:  # all of it goes to where the table is, once
        device = next(iter(table.inputs.values())).device
        order = torch.randperm(table.rows, generator=generator).to(device)
    for first in range(0, table.rows, batch_rows):
        last = min(first + batch_rows, table.rows)
        yield _slice(table, first, last) if order is None else _gather(table, order[first:last])


def _gather(table: Batch, order: Tensor) -> Batch:
    return Batch(
        {name: tensor.index_select(0, order) for name, tensor in table.inputs.items()},
        {name: tensor.index_select(0, order) for name, tensor in table.targets.items()},
        len(order),
    )


def _blocks(parts: Iterable[Batch], block_rows: int) -> Iterator[Batch]:
    """Regroup batches into blocks of equal length, the last one of what is left."""
    held: list[Batch] = []
    for part in parts:
        held.append(part)
        rows = sum(each.rows for each in held)
        if rows < block_rows:
            continue
        joined = _joined(held)
        whole = rows // block_rows * block_rows
        for first in range(0, whole, block_rows):
            yield _slice(joined, first, first + block_rows)
        held = [_slice(joined, whole, rows)] if rows > whole else []
    if held:
        yield _joined(held)
