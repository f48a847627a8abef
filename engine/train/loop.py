"""The training loop: epochs, events, the best epoch, and the ways a run ends."""

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import islice
from math import inf
from time import perf_counter

import torch

from engine.compile.lower import CompiledModel
from engine.compile.passes import train_by_loops
from engine.data.batches import Batch, BatchSource
from engine.devices import products
from engine.errors import Cancelled, TrainingError
from engine.fast_paths import NONE, FastPaths
from engine.precision import Precision
from engine.train.algorithms import Lbfg
from engine.train.checkpoint import Array, Checkpoint, Checkpointing, Interrupted
from engine.train.config import Optimizer
from engine.train.history import BatchEvent, EpochRecord, Stopping, TrainEvent, Watch
from engine.train.lbfgs import Evaluation, Lbfgs
from engine.train.optimizers import Update
from engine.train.parameters import hold_statistics, trained
from engine.train.replicas import ALONE, Replicas, merge_moments
from engine.train.resume import to_array
from engine.train.schedules import Moment, learning_rate
from engine.train.standing import stand, standing
from engine.train.step import Meter, evaluate, is_finite, norms, not_finite, validate
from engine.train.steps import CudaRecorder, LaunchedSteps, RecordedSteps, Recorder, Steps
from engine.weights import Chunk, load_weights, read_weights

EVENT_SECONDS = 0.1
"""Least time between two batch events of an epoch, its first and last excepted."""
EVERY_BATCH = 3
"""From this logLevel on there is an event of every mini-batch."""

CONVOLUTION_AXES = 4
"""Axes of a convolution's weights; where there are any, images lie channels-last."""

SAVE_SPACING = 20
"""Times a checkpoint's own time that lie between it and the next: it costs 5 % at most."""
PIECE_ROWS = 256
"""Rows at a time where every update uses the whole table."""

GO_ON, CANCEL, LEAVE = range(3)
"""What a caller wants of a run before a mini-batch."""


def _nobody_listens(event: TrainEvent) -> None:
    del event


def _never() -> bool:
    return False


def _nobody_keeps(epochs: int, model: CompiledModel) -> None:
    del epochs, model


@dataclass(frozen=True)
class TrainResult:
    """How a run went; the model holds the weights of its last epoch.

    With early stopping that restores it holds those of its best one.

    Attributes:
        history: one record per epoch.
        best_epoch: 0-based epoch of the smallest watched value.
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
        on_event: told of every epoch, and of batches at most ten times a second, or of every one
            with logLevel 3.
        cancelled: asked before every batch.
        keep_best: copy the weights whenever an epoch is the best so far.
        on_failure: given how a run went that diverges, with its best weights, if it kept any.
        on_snapshot: given the model every ``snapshotFreq`` epochs, with the epochs behind it.
        checkpoints: when and where to leave checkpoints; None: nowhere.
        resume: the checkpoint to go on from; all else must be as it was for the run that left it.
        clock: seconds of a clock that never goes back.
        replicas: the processes that train together. All are given the same but for what replica 0
            alone tells, keeps and is asked: events, snapshots, checkpoints, whether to stop. Each
            draws its dropout by itself.
        precision: what products are formed in; a run that goes on keeps that of its checkpoint.
        without: the fast paths that are left out.
        recorder: makes what records steps, given the source of randomness; None: on a graphics
            processor CUDA graphs, elsewhere nothing.
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
    on_snapshot: Callable[[int, CompiledModel], None] = _nobody_keeps
    on_failure: Callable[[TrainResult], None] | None = None
    checkpoints: Checkpointing | None = None
    resume: Checkpoint | None = None
    clock: Callable[[], float] = perf_counter
    replicas: Replicas = ALONE
    precision: Precision = "FP32"
    without: FastPaths = NONE
    recorder: Callable[[torch.Generator], Recorder] | None = None

    def __post_init__(self) -> None:
        records = self.device.type == "cuda" and "cuda-graphs" not in self.without
        if records and self.recorder is None:
            self.recorder = partial(CudaRecorder, self.device)

    def run(self) -> TrainResult:
        """Train to the end.

        Raises:
            TrainingError: no row or no parameter to train, or the run diverged.
            Cancelled: the caller asked to stop.
            Interrupted: the run was interrupted and has left a checkpoint.
            ReplicaLost: another replica is gone.
        """
        metric = self.optimizer.stop_metric
        if self.valid is None and metric in ("VALIDLOSS", "VALIDERROR"):
            raise TrainingError(
                f"optimizer option stopMetric got {metric} without a validation table, expected "
                "one, or LOSS or FITERROR"
            )
        if not self.source.rows:
            raise TrainingError("the training table has no rows that can be used")
        with products(self.device, tf32="tf32" not in self.without):
            run = Run(self)
            try:
                return run.run()
            except TrainingError as error:
                if run.best is not None and self.on_failure is not None and self.replicas.rank == 0:
                    best = TrainResult(run.history, run.watch.best_epoch, run.best, error.message)
                    self.on_failure(best)
                raise


class Run:
    """The state of one run of a trainer."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.options = trainer.optimizer
        convolves = any(len(spec.shape) == CONVOLUTION_AXES for spec in trainer.model.specs)
        channels_last = convolves and "channels-last" not in trainer.without
        self.model = trainer.model.to(trainer.device, channels_last=channels_last)
        self.model.precision = trainer.precision
        self.replicas = trainer.replicas
        self.noise = _seeded(trainer.seed + self.replicas.rank, trainer.device)
        self.model.set_generator(self.noise)
        self.weights = self.model.parameters("weights")
        weights, others = trained(self.model, self.options)
        self.update: Update | Lbfgs
        if isinstance(self.options.algorithm, Lbfg):
            self.update = Lbfgs(self.options, weights, others)
        else:
            fused, replayed = "fused-updates" not in trainer.without, trainer.recorder is not None
            self.update = Update(self.options, weights, others, fused=fused, replayed=replayed)
        self.stopping = Stopping(self.options)
        self.watch = Watch(self.options, validates=trainer.valid is not None)
        self.order = None
        if trainer.record_seed is not None:
            self.order = _seeded(trainer.record_seed, torch.device("cpu"))
        self.order_state = self._order_state()
        whole = self.options.is_full_batch
        self.batch_rows = PIECE_ROWS if whole else trainer.batch_rows
        self.batches = 1 if whole else -(-trainer.source.rows // trainer.batch_rows)
        self.epoch = self.batch = self.updates = 0
        self.meter = Meter(0)
        self.seconds = 0.0
        self.history: list[EpochRecord] = []
        self.best: list[Chunk] | None = None
        self.saved, self.save_seconds = trainer.clock(), 0.0
        if trainer.resume is not None:
            stand(self, trainer.resume)
        # a run that goes on has the precision of its checkpoint by now
        is_exact = trainer.device.type == "cpu" and self.model.precision == "FP32"
        if is_exact and "loops" not in trainer.without:
            train_by_loops(self.model)
        self.steps = self._steps()
        self.replicas.copy_first([self.model.tensor(spec) for spec in self.model.specs])

    def run(self) -> TrainResult:
        reason: str | None = None
        while reason is None and self.epoch < self.options.max_epochs:
            record = self._epoch(self.epoch)
            self.history.append(record)
            self._note_best(record)
            self._report(record)
            reason = self._reason(record)
            self._end_epoch(is_last=reason is not None)
        if self.options.early_stopping and self.options.restore_best and self.best is not None:
            load_weights(self.model, self.best)
        self.model.eval()
        reason = reason or "reached the maximum number of epochs"
        return TrainResult(self.history, self.watch.best_epoch, self.best, reason)

    def _reason(self, record: EpochRecord) -> str | None:
        """Return why to stop after an epoch, or None to go on."""
        watched = record.loss if self.trainer.valid is None else record.valid_loss
        early = None if watched is None else self.stopping.reason(watched)
        own = self.update.reason if isinstance(self.update, Lbfgs) else None
        return own or early or self.watch.reason()

    def _end_epoch(self, *, is_last: bool) -> None:
        """Leave what an epoch leaves behind, and stand at the start of the next."""
        self.epoch, self.batch, self.seconds = self.epoch + 1, 0, 0.0
        self.order_state = self._order_state()
        self.meter = Meter(self.epoch)
        frequency = self.options.snapshot_freq
        if frequency and self.epoch % frequency == 0 and self.replicas.rank == 0:
            self.trainer.on_snapshot(self.epoch, self.model)
        if not is_last and self.epoch < self.options.max_epochs:
            self._save_if(self._is_epoch_kept)

    def _epoch(self, epoch: int) -> EpochRecord:
        start = self.trainer.clock() - self.seconds
        # the rate at the epoch's start, also where the epoch is taken up in its middle
        rate = self._rate(self.updates - self.batch)
        self.model.train()
        if self.options.freeze_batch_norm_stats:
            hold_statistics(self.model)
        if not self.batch:
            self.model.begin_epoch()
        self._batches(epoch, start)
        merge_moments(self.replicas, self.model.moments)
        self.model.end_epoch()
        if not is_finite(self.update.parameters):
            raise not_finite("a weight is not finite", epoch)
        loss, error = self._validate(epoch)
        options = self.options
        l1, l2 = norms(self.weights, options.reg_l1, options.reg_l2)
        return EpochRecord(
            epoch=epoch,
            learning_rate=rate,
            loss=self.meter.loss / self.meter.total_rows,
            fit_error=self.meter.error / self.meter.total_rows,
            l1_norm=l1 if options.reg_l1 else None,
            l2_norm=l2 if options.reg_l2 else None,
            valid_loss=loss,
            valid_error=error,
            seconds=self.trainer.clock() - start,
        )

    def _batches(self, epoch: int, start: float) -> None:
        told = -inf
        rate, rows = self._rate(self.updates), 0
        for batch in self._source():
            self._obey(epoch)
            rate, rows = self._rate(self.updates), self._step(batch)
            self.updates += 1
            self.batch += 1
            is_due = self.trainer.clock() - told >= EVENT_SECONDS
            if is_due or self.options.log_level >= EVERY_BATCH:
                self._tell(rows, rate)
                told = self.trainer.clock()
            self.seconds = self.trainer.clock() - start
            if self._is_done():
                break
            self._save_if(self._is_time)
        if self.meter.pending:
            self._tell(rows, rate)

    def _source(self) -> Iterator[Batch | None]:
        """Yield the mini-batches that are left of the epoch; None stands for the whole table."""
        if self.options.is_full_batch:
            return iter([None][self.batch :])
        batches = self.trainer.source.epoch(self.batch_rows, self.order)
        return islice(batches, self.batch, None)

    def _obey(self, epoch: int) -> None:
        wish = self.replicas.follow(self._wish)
        if wish == CANCEL:
            raise Cancelled(
                f"training was cancelled at epoch {epoch}, batch {self.batch + 1}",
                epoch=epoch,
                batch=self.batch + 1,
            )
        if wish == LEAVE:
            self._save()
            raise Interrupted

    def _wish(self) -> int:
        """Return what the caller wants."""
        checkpoints = self.trainer.checkpoints
        if self.trainer.cancelled():
            return CANCEL
        return LEAVE if checkpoints is not None and checkpoints.interrupted() else GO_ON

    def _step(self, batch: Batch | None) -> int:
        """Update the weights from a mini-batch, or from the whole table; return its rows."""
        rows = self.trainer.source.rows if batch is None else batch.rows
        if isinstance(self.update, Lbfgs):
            self._search(self.update, batch, rows)
        elif batch is not None and self.steps is not None:
            here = batch.to(self.trainer.device)
            rate, at = self._rate(self.updates), (self.epoch, self.batch + 1)
            self.meter.add(*self.steps(here, rate, at), rows)
        return rows

    def _steps(self) -> Steps | None:
        """Return who takes the steps; None for LBFG, which searches."""
        if isinstance(self.update, Lbfgs):
            return None
        trainer = self.trainer
        if trainer.recorder is None or not self.update.is_replayed or self.replicas.size > 1:
            return LaunchedSteps(self.model, self.update, self.replicas)
        return RecordedSteps(
            self.model,
            self.update,
            trainer.recorder(self.noise),
            rows=min(self.batch_rows, trainer.source.rows),
            on_failure=self._renew_noise,
        )

    def _renew_noise(self) -> None:
        """Draw from a new generator that stands where the old one does."""
        state = self.noise.get_state()
        self.noise = torch.Generator(device=self.trainer.device)
        self.noise.set_state(state)
        self.model.set_generator(self.noise)

    def _search(self, solver: Lbfgs, batch: Batch | None, rows: int) -> None:
        """Take one iteration of LBFG; every evaluation of it draws the same random numbers."""
        before, noise = self.model.moments.pooled(), self.noise.get_state()
        source = self.trainer.source

        def measure() -> Evaluation:
            self.model.moments.restore(before)
            self.noise.set_state(noise)
            pieces = source.epoch(self.batch_rows) if batch is None else [batch]
            return evaluate(self.model, solver, pieces, rows, self.replicas)

        start = measure()
        self.meter.add(start.loss, start.error, rows)
        end = solver.iterate(start, measure)
        self.model.moments.restore(end.moments)

    def _is_done(self) -> bool:
        return isinstance(self.update, Lbfgs) and self.update.reason is not None

    def _tell(self, rows: int, rate: float) -> None:
        loss, error = self.meter.read()
        batch, batches = self.batch, max(self.batches, self.batch)
        event = BatchEvent(self.epoch, batch, batches, rows, rate, loss, error)
        self._report(event)

    def _report(self, event: TrainEvent) -> None:
        if self.replicas.rank == 0:
            self.trainer.on_event(event)

    def _rate(self, update: int) -> float:
        losses = tuple(record.loss for record in self.history)
        rate = self.history[-1].learning_rate if self.history else None
        moment = Moment(self.epoch, self.options.max_epochs, update, self.batches, losses, rate)
        return learning_rate(self.options.algorithm, moment)

    def _validate(self, epoch: int) -> tuple[float | None, float | None]:
        trainer = self.trainer
        is_last = epoch + 1 == self.options.max_epochs
        if trainer.valid is None or not (is_last or (epoch + 1) % trainer.valid_freq == 0):
            return None, None
        loss, error = validate(self.model, trainer.valid, self.batch_rows, self.replicas)
        if not torch.tensor(loss).isfinite():
            raise not_finite("validation loss is not finite", epoch)
        return loss, error

    def _note_best(self, record: EpochRecord) -> None:
        wanted = self.options.early_stopping and self.options.restore_best
        if self.watch.is_best(record) and (self.trainer.keep_best or wanted):
            chunks = read_weights(self.model)
            self.best = [Chunk(c.spec, c.offset, c.values.copy()) for c in chunks]

    def _order_state(self) -> Array | None:
        """Return the state of the order's generator, as the running epoch found it."""
        return None if self.order is None else to_array(self.order.get_state())

    def _is_epoch_kept(self) -> bool:
        """Return whether a checkpoint is to follow the epoch that has ended."""
        checkpoints = self.trainer.checkpoints
        if checkpoints is None or not checkpoints.epochs:
            return False
        return self.epoch % checkpoints.epochs == 0

    def _is_time(self) -> bool:
        """Return whether it is time for a checkpoint."""
        checkpoints = self.trainer.checkpoints
        if checkpoints is None:
            return False
        least = max(checkpoints.seconds, SAVE_SPACING * self.save_seconds)
        return self.trainer.clock() - self.saved >= least

    def _save_if(self, is_due: Callable[[], bool]) -> None:
        if self.replicas.follow(is_due):
            self._save()

    def _save(self) -> None:
        if self.meter.pending:
            self.meter.read()
        start = self.trainer.clock()
        found = standing(self)
        if self.trainer.checkpoints is not None and self.replicas.rank == 0:
            self.trainer.checkpoints.save(found)
        self.saved = self.trainer.clock()
        self.save_seconds = self.saved - start


def _seeded(seed: int, device: torch.device) -> torch.Generator:
    return torch.Generator(device=device).manual_seed(seed)
