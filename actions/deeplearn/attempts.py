"""What a job of dlTrain leaves for its next attempt, and finds of its last one.

A checkpoint carries the seeds of the run and what it was trained on. When the model or a table was
replaced meanwhile it is of no use, and the run starts over.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from zlib import crc32

from actions.context import Context
from actions.errors import Conflict, StoreUnavailable, TableNotFound
from actions.params import OutTable, TableRef
from actions.ports import TableInfo
from engine.train.checkpoint import Checkpoint, Checkpointing
from engine.train.replicas import Replicas

Seeds = dict[str, int | None]

RUN = "run"
"""Where a checkpoint's state holds the facts of this module."""


@dataclass
class Attempts:
    """The checkpoints of one run.

    Attributes:
        sources: the model and the tables the run reads.
    """

    ctx: Context
    sources: Sequence[TableInfo]

    @cached_property
    def last(self) -> Checkpoint | None:
        """The checkpoint to go on from."""
        if self.ctx.checkpoint is None or self.ctx.attempt == 1:
            return None
        body = self.ctx.checkpoint.load()
        if body is None:
            self.ctx.note(f"Attempt {self.ctx.attempt} starts over: there is no checkpoint.")
            return None
        found = Checkpoint.from_bytes(body)
        if found.state[RUN]["sources"] != self._key:
            self.ctx.warn(
                f"Attempt {self.ctx.attempt} starts over: the model or a table was changed."
            )
            return None
        epoch, batch = found.state["epoch"], found.state["batch"]
        self.ctx.note(f"Attempt {self.ctx.attempt} goes on at epoch {epoch}, after batch {batch}.")
        return found

    def seed(self, name: str, drawn: int | None) -> int | None:
        """Return a seed of the run: that of the last attempt, else the one drawn now."""
        if self.last is None:
            return drawn
        kept: int | None = self.last.state[RUN]["seeds"][name]
        return kept

    def agree(self, replicas: Replicas, seeds: Seeds) -> Seeds:
        """Return the seeds of the first worker, after a look that all go on from the same moment.

        Raises:
            Conflict: the model or a table was replaced before all of them had opened it.
        """
        updates = -1 if self.last is None else self.last.state["updates"]
        mine = crc32(json.dumps([self._key, updates]).encode())
        if replicas.follow(lambda: mine) != mine:
            raise Conflict(
                "the model or a table was changed while the workers of the training opened it; "
                "train again"
            )
        led = {name: replicas.follow(partial(int, seed or 0)) for name, seed in seeds.items()}
        return {name: seed or None for name, seed in led.items()}

    def checkpointing(self, seeds: Seeds) -> Checkpointing | None:
        """Return when and where the run leaves checkpoints; None outside of jobs."""
        place = self.ctx.checkpoint
        if place is None:
            return None
        facts = {RUN: {"sources": self._key, "seeds": seeds}}

        def save(checkpoint: Checkpoint) -> None:
            whole = Checkpoint({**checkpoint.state, **facts}, checkpoint.arrays)
            try:
                place.save(whole.to_bytes())
            except StoreUnavailable as error:
                self.ctx.warn(f"A checkpoint was not kept; the one before it stays: {error}.")

        return Checkpointing(save, seconds=self.ctx.checkpoint_s, interrupted=self.ctx.interrupted)

    def own(self, out: OutTable) -> OutTable:
        """Return where to write, over what an earlier attempt of this job wrote there."""
        if self.ctx.attempt == 1:
            return out
        try:
            found = self.ctx.tables.find(TableRef(name=out.name, caslib=out.caslib).address)
        except TableNotFound:
            return out
        is_ours = found.job_id is not None and found.job_id == self.ctx.job_id
        return out.model_copy(update={"replace": True}) if is_ours else out

    @property
    def _key(self) -> list[list[str | int]]:
        return [[source.id, source.version] for source in self.sources]
