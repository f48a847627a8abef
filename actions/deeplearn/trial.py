"""One training of a search."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from actions.context import Context
from actions.deeplearn.dl_train import DlTrainParams
from actions.deeplearn.training import Training
from actions.ports import Staged
from actions.results import Json
from engine.data.batches import BatchSource
from engine.data.schema import Schema
from engine.graph.infer import check_trainable
from engine.train.checkpoint import Interrupted
from engine.train.history import EpochEvent, TrainEvent
from engine.train.loop import TrainResult
from engine.weights import Chunk

Weights = list[Chunk]


def _nobody_watches(event: EpochEvent) -> None:
    del event


class FellBehind(Exception):  # noqa: N818 - a decision, not a fault
    """A trial ends early: others are better after as many epochs."""


class Trial(Training):
    """One training of a search, on data that all of them share.

    It publishes nothing and leaves no checkpoints.
    """

    def __init__(self, ctx: Context, p: DlTrainParams, device: str, schema: Schema | None) -> None:
        super().__init__(replace(ctx, checkpoint=None), p, device)
        self.learned = schema
        self.watch: Callable[[EpochEvent], None] = _nobody_watches

    @cached_property
    def schema(self) -> Schema:
        """How rows become tensors; learned once, but for the options of the network."""
        if self.learned is None:
            return super().schema
        options = self.p.optimizer.build_options(force_equal_padding=self.p.force_equal_padding)
        return self.learned.model_copy(update={"options": options})

    def sources(self) -> tuple[BatchSource, BatchSource | None]:
        """Check what can be checked beforehand, and read the tables."""
        self._check_outputs()
        check_trainable(self.stored.graph)
        source = self._source(self.table, "train")
        self._prepare()
        self.log.start(self)
        return source, None if self.valid is None else self._source(self.valid, "validate")

    def train(self, source: BatchSource, valid: BatchSource | None) -> TrainResult:
        """Train to the end.

        Raises:
            FellBehind: the trial is no longer worth it.
        """
        self._load()
        return self._train(source, valid)

    def stage(self, stack: ExitStack, facts: dict[str, Json], chunks: Weights) -> Staged:
        """Stage weights of this trial."""
        return stack.enter_context(self.ctx.weights.stage(self._header(facts), iter(chunks)))

    def _tell(self, event: TrainEvent) -> None:
        if self.ctx.interrupted():
            raise Interrupted
        super()._tell(event)
        if isinstance(event, EpochEvent):
            self.watch(event)

    def _rescue(self, result: TrainResult) -> None:
        """Keep nothing of a trial that diverged."""
