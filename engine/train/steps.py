"""Who takes the steps of a run: one launch after the other, or a step recorded once and replayed.

A step of a small network is hundreds of kernels of a few microseconds, and a processor takes longer
to launch them than a graphics processor to run them. Recorded, they are one launch.

Source: PyTorch, "CUDA semantics", section "CUDA Graphs": whole-network capture and its conditions.
"""

import logging
import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cache, partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from engine.compile.lower import CompiledModel
from engine.data.batches import Batch
from engine.train.optimizers import Update
from engine.train.replicas import ALONE, Replicas, Totals
from engine.train.step import Place, graded, send_back, train_step

LOG = logging.getLogger(__name__)

REHEARSALS = 3
"""Steps taken before one is recorded: libraries make their workspaces in them, solvers their state.
"""

WAITS = "synchronizing CUDA operation"
"""What torch warns of, when told to, where the host waits for the device."""

T = TypeVar("T")

Form = dict[str, tuple[torch.Size, torch.dtype]]
"""Shapes and types of the tensors of a mini-batch."""

Outcome = tuple[Totals, tuple[Tensor, Tensor] | None]
"""The sums of a step, and what its batch normalisations measured."""


class Steps(Protocol):
    """Takes steps; returns their sums of loss and fit error, on the device."""

    def __call__(self, batch: Batch, rate: float, at: Place) -> Totals: ...


@dataclass(frozen=True)
class LaunchedSteps:
    """Launches every operation of every step."""

    model: CompiledModel
    update: Update
    replicas: Replicas = ALONE

    def __call__(self, batch: Batch, rate: float, at: Place) -> Totals:
        return train_step(self.model, self.update, batch, rate, at=at, replicas=self.replicas)


class Recorder(Protocol):
    """Records what is launched."""

    def rehearse(self, work: Callable[[], T]) -> tuple[T, bool]:
        """Do some work as it will be recorded; return whether it can be: nothing waits in it."""

    def record(self, work: Callable[[], T]) -> Callable[[], T]:
        """Record some work without doing it.

        Returns:
            What does it, and gives the same tensors every time, with new values.

        Raises:
            RuntimeError: it cannot be recorded.
        """


@dataclass
class RecordedSteps:
    """Records a step after some rehearsals, and replays it.

    Recorded is a step of mini-batches of one form. Others, such as the last one of an epoch, are
    launched. The learning rate lies on the device. What changes from step to step by Python's own
    numbers stays outside: rates, and the merging of statistics of batch normalisation.

    Attributes:
        rows: of the mini-batches that are replayed.
        on_failure: called where recording failed; random numbers go on from where they were.
    """

    model: CompiledModel
    update: Update
    recorder: Recorder
    _: KW_ONLY
    rows: int
    on_failure: Callable[[], None] = lambda: None
    left: int = REHEARSALS
    is_over: bool = False
    form: Form = field(default_factory=dict)
    held: Batch | None = None
    replay: Callable[[], Outcome] | None = None

    def __post_init__(self) -> None:
        self.launched = LaunchedSteps(self.model, self.update)

    def __call__(self, batch: Batch, rate: float, at: Place) -> Totals:
        if self.is_over or not self._fits(batch):
            return self.launched(batch, rate, at)
        if self.left:
            return self._rehearsed(batch, rate, at)
        if self.held is None:
            self._record(batch)
        if self.held is None or self.replay is None:
            return self.launched(batch, rate, at)
        for name, tensor in tensors(self.held).items():
            tensor.copy_(tensors(batch)[name], non_blocking=True)
        self.update.set_rate(rate)
        sums, measured = self.replay()
        if measured is not None:
            mean, variance = measured
            self.model.moments.merge(self.rows, mean.clone(), variance.clone())
        return sums

    def _fits(self, batch: Batch) -> bool:
        if batch.rows != self.rows:
            return False
        form = {name: (each.shape, each.dtype) for name, each in tensors(batch).items()}
        self.form = self.form or form
        return form == self.form

    def _rehearsed(self, batch: Batch, rate: float, at: Place) -> Totals:
        sums, can_be = self.recorder.rehearse(partial(self.launched, batch, rate, at))
        self.left -= 1
        if not self.left and not can_be:
            LOG.info("steps are launched, not replayed: the host waits in them for the device")
            self.is_over = True
        return sums

    def _record(self, batch: Batch) -> None:
        self.held = Batch(
            {name: each.clone() for name, each in batch.inputs.items()},
            {name: each.clone() for name, each in batch.targets.items()},
            batch.rows,
        )
        try:
            self.replay = self.recorder.record(partial(self._step, self.held))
        except RuntimeError as error:
            LOG.warning("steps are launched, not replayed: %s", str(error).partition("\n")[0])
            self.is_over, self.held = True, None
            self.update.drop_gradients()
            self.on_failure()

    def _step(self, batch: Batch) -> Outcome:
        raw = self.model.forward(batch.inputs)
        measured = self.model.moments.measured()
        own, wrong = graded(self.model, batch, raw)
        send_back(own, batch.rows)
        self.update.step(batch.rows)
        return (own.detach(), wrong), measured


class CudaRecorder:
    """Records on a graphics processor, by CUDA graphs.

    Args:
        device: the graphics processor.
        noise: what the step draws from; its state moves on with every replay.
    """

    def __init__(self, device: torch.device, noise: torch.Generator) -> None:
        self.device = device
        self.noise = noise
        self.stream = _stream(device)

    def rehearse(self, work: Callable[[], T]) -> tuple[T, bool]:
        here, before = torch.cuda.current_stream(self.device), torch.cuda.get_sync_debug_mode()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                result = work()
            finally:
                torch.cuda.set_sync_debug_mode(before)
        here.wait_stream(self.stream)
        return result, not any(WAITS in str(each.message) for each in told)

    def record(self, work: Callable[[], T]) -> Callable[[], T]:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.noise)
        # other threads may go on to use the device: they send the next mini-batches
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            result = work()

        def replay() -> T:
            graph.replay()
            return result

        return replay


def tensors(batch: Batch) -> dict[str, Tensor]:
    """Return all tensors of a mini-batch, inputs and targets told apart."""
    inputs = {f"input {name}": each for name, each in batch.inputs.items()}
    return inputs | {f"target {name}": each for name, each in batch.targets.items()}


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Return where steps are recorded; it is kept, as libraries keep workspaces of each stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
