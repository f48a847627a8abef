"""The training loop: epochs, events, the best epoch, and the ways a run ends."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from math import inf
from time import perf_counter

import torch
from torch.nn import Parameter

from engine.compile.lower import CompiledModel
from engine.data.batches import BatchSource
from engine.errors import Cancelled, TrainingError
from engine.modules.normalization import BatchNorm
from engine.train.config import Optimizer
from engine.train.history import BatchEvent, EpochRecord, Stopping, TrainEvent
from engine.train.optimizers import Update
from engine.train.schedules import Moment, learning_rate
from engine.train.step import Meter, is_finite, norms, not_finite, train_step, validate
from engine.weights import Chunk, read_weights

EVENT_SECONDS = 0.1
"""Least time between two batch events of an epoch, its first and last excepted."""

CONVOLUTION_AXES = 4
"""Axes of a convolution's weights; where there are any, images lie channels-last."""


def _nobody_listens(event: TrainEvent) -> None:
    del event


def _never() -> bool:
    return False


@dataclass(frozen=True)
class TrainResult:
    """How a run went; the model holds the weights of its last epoch.

    Attributes:
        history: one record per epoch.
        best_epoch: 0-based epoch of the smallest loss (of validation if there was any).
        best: copies of that epoch's weights and statistics, if they were to be kept.
        reason: why it stopped.
    """

    history: list[EpochRecord]
    best_epoch: int
    best: list[Chunk] | None
    reason: str


@dataclass
class Trainer:
    """Trains a compiled model; it prints nothing and installs nothing.

    The order of rows is the stored one unless ``record_seed`` is given; then every epoch draws a
    fresh permutation. The same seeds, data, device and number of threads give the same bits.

    Attributes:
        valid: a table to measure, every ``valid_freq`` epochs and after the last one.
        batch_rows: observations of a mini-batch over all threads.
        seed: of dropout; starting values belong to the model.
        on_event: told of every epoch, and of batches at most ten times a second.
        cancelled: asked before every batch.
        keep_best: copy the weights whenever an epoch is the best so far.
        clock: seconds of a clock that never goes back.
    """

    model: CompiledModel
    optimizer: Optimizer
    source: BatchSource
    _: KW_ONLY
    batch_rows: int
    valid: BatchSource | None = None
    valid_freq: int = 1
    seed: int = 1
    record_seed: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    on_event: Callable[[TrainEvent], None] = _nobody_listens
    cancelled: Callable[[], bool] = _never
    keep_best: bool = False
    clock: Callable[[], float] = perf_counter

    def run(self) -> TrainResult:
        """Train to the end.

        Raises:
            TrainingError: no row or no parameter to train, or the run diverged.
            Cancelled: the caller asked to stop.
        """
        if not self.source.rows:
            raise TrainingError("the training table has no rows that can be used")
        return _Run(self).run()


class _Run:
    """The state of one run of a trainer."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        convolves = any(len(spec.shape) == CONVOLUTION_AXES for spec in trainer.model.specs)
        self.model = trainer.model.to(trainer.device, channels_last=convolves)
        self.model.set_generator(_seeded(trainer.seed, trainer.device))
        self.weights = self.model.parameters("weights")
        self.update = Update(trainer.optimizer, *_trained(self.model, trainer.optimizer))
        self.stopping = Stopping(trainer.optimizer)
        self.order = None
        if trainer.record_seed is not None:
            self.order = _seeded(trainer.record_seed, torch.device("cpu"))
        self.batches = -(-trainer.source.rows // trainer.batch_rows)
        self.updates = 0
        self.history: list[EpochRecord] = []
        self.best_loss = inf
        self.best_epoch = 0
        self.best: list[Chunk] | None = None

    def run(self) -> TrainResult:
        reason = "reached the maximum number of epochs"
        for epoch in range(self.trainer.optimizer.max_epochs):
            record = self._epoch(epoch)
            self.history.append(record)
            watched = record.loss if self.trainer.valid is None else record.valid_loss
            if watched is not None:
                self._note_best(epoch, watched)
            self.trainer.on_event(record)
            early = None if watched is None else self.stopping.reason(watched)
            if early is not None:
                reason = early
                break
        self.model.eval()
        return TrainResult(self.history, self.best_epoch, self.best, reason)

    def _epoch(self, epoch: int) -> EpochRecord:
        start = self.trainer.clock()
        rate = self._rate(epoch)
        self.model.train()
        if self.trainer.optimizer.freeze_batch_norm_stats:
            _hold_statistics(self.model)
        self.model.begin_epoch()
        meter = self._batches(epoch)
        self.model.end_epoch()
        if not is_finite(self.update.parameters):
            raise not_finite("a weight is not finite", epoch)
        loss, error = self._validate(epoch)
        options = self.trainer.optimizer
        l1, l2 = norms(self.weights, options.reg_l1, options.reg_l2)
        return EpochRecord(
            epoch=epoch,
            learning_rate=rate,
            loss=meter.loss / meter.total_rows,
            fit_error=meter.error / meter.total_rows,
            l1_norm=l1 if options.reg_l1 else None,
            l2_norm=l2 if options.reg_l2 else None,
            valid_loss=loss,
            valid_error=error,
            seconds=self.trainer.clock() - start,
        )

    def _batches(self, epoch: int) -> Meter:
        meter = Meter(epoch)
        told = -inf
        batch_number = rows = 0
        rate = self._rate(epoch)
        for batch in self.trainer.source.epoch(self.trainer.batch_rows, self.order):
            if self.trainer.cancelled():
                raise Cancelled(
                    f"training was cancelled at epoch {epoch}, batch {batch_number + 1}",
                    epoch=epoch,
                    batch=batch_number + 1,
                )
            rate, rows = self._rate(epoch), batch.rows
            here = batch.to(self.trainer.device)
            meter.add(*train_step(self.model, self.update, here, rate), rows)
            self.updates += 1
            batch_number += 1
            if self.trainer.clock() - told >= EVENT_SECONDS:
                self._tell(meter, batch_number, rows, rate)
                told = self.trainer.clock()
        if meter.pending:
            self._tell(meter, batch_number, rows, rate)
        return meter

    def _tell(self, meter: Meter, batch: int, rows: int, rate: float) -> None:
        loss, error = meter.read()
        batches = max(self.batches, batch)
        self.trainer.on_event(BatchEvent(meter.epoch, batch, batches, rows, rate, loss, error))

    def _rate(self, epoch: int) -> float:
        options = self.trainer.optimizer
        return learning_rate(options.algorithm, Moment(epoch, options.max_epochs, self.updates))

    def _validate(self, epoch: int) -> tuple[float | None, float | None]:
        trainer = self.trainer
        is_last = epoch + 1 == trainer.optimizer.max_epochs
        if trainer.valid is None or not (is_last or (epoch + 1) % trainer.valid_freq == 0):
            return None, None
        loss, error = validate(self.model, trainer.valid, trainer.batch_rows)
        if not torch.tensor(loss).isfinite():
            raise not_finite("validation loss is not finite", epoch)
        return loss, error

    def _note_best(self, epoch: int, loss: float) -> None:
        if loss >= self.best_loss:
            return
        self.best_loss, self.best_epoch = loss, epoch
        if self.trainer.keep_best:
            chunks = read_weights(self.model)
            self.best = [Chunk(c.spec, c.offset, c.values.copy()) for c in chunks]


def _seeded(seed: int, device: torch.device) -> torch.Generator:
    return torch.Generator(device=device).manual_seed(seed)


def _hold_statistics(model: CompiledModel) -> None:
    """Let batch normalisation layers use their stored statistics and keep them."""
    for module in model.module.modules():
        if isinstance(module, BatchNorm):
            module.eval()
            module.batch_mean = module.batch_invstd = None


def _trained(model: CompiledModel, options: Optimizer) -> tuple[list[Parameter], list[Parameter]]:
    """Return the parameters to train, those with penalties first; the others need no gradient."""
    frozen = _frozen_layers(model, options)
    chosen: dict[bool, list[Parameter]] = {True: [], False: []}
    for spec in model.specs:
        tensor = model.tensor(spec)
        if not isinstance(tensor, Parameter):
            continue
        tensor.requires_grad_(spec.layer_id not in frozen)
        if tensor.requires_grad:
            chosen[spec.part == "weights"].append(tensor)
    if not chosen[True] and not chosen[False]:
        raise TrainingError("the model has no parameters to train, expected at least one")
    return chosen[True], chosen[False]


def _frozen_layers(model: CompiledModel, options: Optimizer) -> set[int]:
    frozen = {model.graph.node(name).id for name in options.freeze_layers}
    if options.freeze_layers_to is not None:
        last = model.graph.node(options.freeze_layers_to).id
        frozen |= {node.id for node in model.graph.nodes if node.id <= last}
    return frozen
