"""The work of dlScore when other workers score blocks of the table.

A clerk scores a block as dlScore itself scores the whole table. What it hands in is a header in
JSON with the sums of its rows and two Arrow streams, of the scored rows and of the outputs of
layers.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from actions.columns import engine_columns
from actions.context import Context
from actions.deeplearn.scoring import Scoring, Sink, scored_rows
from actions.deeplearn.sources import TableSource
from actions.team import Block, Clerk
from engine.data.columns import Columns
from engine.errors import Cancelled
from engine.score.sums import State

if TYPE_CHECKING:
    from actions.deeplearn.dl_score import DlScoreParams

BLOCK_BYTES = 16 << 20
"""What a block reads and writes, about."""
BLOCK_ROWS = 1 << 16
"""Rows of a block however narrow they are."""
TURNS = 4
"""Blocks a worker gets at least, so that none waits long for the last."""
CELL_BYTES = 8
LENGTH_BYTES = 8


@dataclass
class DealtScoring(Scoring):
    """One run of dlScore by several workers."""

    p: "DlScoreParams"

    def _fill(self, scored: Sink | None, layers: Sink | None) -> None:
        assert self.ctx.deal is not None  # noqa: S101 - dlScore looked
        rows, sinks = 0, (scored, layers)
        hire = partial(hire_clerk, self.p, self.device)
        width = sum(len(sink.schema) for sink in sinks if sink is not None)
        for body in self.ctx.deal(hire, self._blocks(width), self.p.n_workers):
            if self.ctx.cancelled():
                raise Cancelled("scoring was cancelled")
            state, parts = unpacked(body)
            self.scorer.absorb(state)
            for sink, part in zip(sinks, parts, strict=True):
                for batch in part:
                    if sink is not None:
                        sink.staged.write(batch)
            rows += state["rows_read"]
            self.ctx.report("progress", {"rows": rows, "of": self.table.info.rows})

    def _blocks(self, width: int) -> list[Block]:
        """Return the blocks of the table, for answers of so many columns."""
        info = self.table.info
        row_bytes = info.size_bytes // max(1, info.rows) + CELL_BYTES * width
        fair = -(-info.rows // (TURNS * self.p.n_workers))
        size = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, row_bytes), fair))
        return [Block(first, min(size, info.rows - first)) for first in range(0, info.rows, size)]


def hire_clerk(p: "DlScoreParams", device: str, ctx: Context) -> Clerk:
    """Return who scores blocks of a table, with what the job may touch where it works."""
    source = TableSource(ctx, p.model_table, p.init_weights)
    return partial(score_block, Scoring(ctx, p, source, device))


def score_block(scoring: Scoring, block: Block) -> bytes:
    """Score the rows of a block."""
    whole = scoring.scorer
    shop = replace(whole.shop, rows=block.rows)
    scorer = replace(whole, first_row=block.first_row, shop=shop)
    outs = (scoring.p.cas_out, scorer.columns), (scoring.p.layer_out, scorer.layer_columns)
    papers = [None if out is None else Paper(scoring.layout(columns)) for out, columns in outs]
    held: deque[pa.RecordBatch] = deque()

    def read() -> Iterator[Columns]:
        for batch in scoring.table.block(block.first_row, block.rows):
            held.append(batch)
            yield from engine_columns([batch])

    for found in scorer.score(read()):
        batch = held.popleft()
        for paper, values in zip(papers, (found.columns, found.layers), strict=True):
            if paper is not None:
                paper.write(scored_rows(batch, scoring.copied, values, paper.schema))
    return packed(scorer.state(), [b"" if paper is None else paper.body() for paper in papers])


class Paper:
    """Rows on their way to another worker, as an Arrow stream."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._stream = pa.BufferOutputStream()
        self._writer = pa.ipc.new_stream(self._stream, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self._writer.write_batch(batch)

    def body(self) -> bytes:
        """Return the whole stream."""
        self._writer.close()
        return bytes(self._stream.getvalue())


def packed(state: State, parts: Sequence[bytes]) -> bytes:
    """Return what a clerk hands in."""
    header = json.dumps({"state": state, "sizes": [len(part) for part in parts]}).encode()
    return b"".join((len(header).to_bytes(LENGTH_BYTES, "little"), header, *parts))


def unpacked(body: bytes) -> tuple[State, list[list[pa.RecordBatch]]]:
    """Return the sums and the rows of what a clerk handed in."""
    first = LENGTH_BYTES + int.from_bytes(body[:LENGTH_BYTES], "little")
    header = json.loads(body[LENGTH_BYTES:first])
    parts: list[list[pa.RecordBatch]] = []
    whole = pa.py_buffer(body)
    for size in header["sizes"]:
        part = whole.slice(first, size)
        parts.append(list(pa.ipc.open_stream(part)) if size else [])
        first += size
    return header["state"], parts
