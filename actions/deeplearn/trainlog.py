"""What dlTrain writes into the log of its answer, by ``logLevel``.

Source: the deepLearn reference, log notes of dlTrain (1.5).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actions.answers import shown
from actions.context import Context
from engine.data.variables import (
    ImageInput,
    NominalTarget,
    ObjectsTarget,
    TextInput,
    VectorInput,
)
from engine.graph.spec import Graph, Node
from engine.train.history import BatchEvent, EpochEvent, TrainEvent
from engine.train.loop import TrainResult

if TYPE_CHECKING:
    from actions.deeplearn.training import Training

START, EPOCHS, BATCHES = 1, 2, 3
MEGABYTE = 1 << 20
MOST_NAMES = 12
"""Target variables that are named; the others are counted."""


@dataclass
class Phases:
    """What a run does up to the end of its first mini-batch, and the seconds that each part takes.

    Attributes:
        seconds: checking (parameters, model, outputs), learning (the schema), encoding (the
            tables), gathering (other replicas), initializing (the network), loading (weights),
            firstBatch.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.monotonic)

    def end(self, name: str) -> None:
        """Count the time since the last part ended as a part's."""
        before, self.last = self.last, time.monotonic()
        self.seconds[name] = self.seconds.get(name, 0.0) + self.last - before


@dataclass
class TrainLog:
    """Writes notes as far as the level asks for them, and warnings always.

    Attributes:
        finds_objects: epochs and mini-batches tell the IOU in place of the fit error.
        told: when the last mini-batch was told of.
    """

    ctx: Context
    level: int
    finds_objects: bool = False
    told: float = field(default_factory=time.monotonic)

    def start(self, training: "Training") -> None:
        """Tell how a run begins."""
        self.finds_objects = isinstance(training.schema.targets[0], ObjectsTarget)
        if training.p.optimizer.bn_src_layer_warnings:
            for text in normalization_warnings(training.stored.graph):
                self.ctx.warn(text)
        if training.schema.rows_used < training.schema.rows_read:
            self.ctx.note(
                f"Of {training.schema.rows_read} rows {training.schema.rows_used} are used; the "
                "others have missing values."
            )
        rows, size = training.schema.rows_used, training.batch_rows
        if rows < size:
            self.ctx.note(f"Due to data distribution, miniBatchSize has been limited to {rows}.")
        if self.level < START:
            return
        parameters = sum(spec.size for spec in training.model.specs if spec.part != "statistics")
        threads, seconds = training.p.n_threads or training.ctx.threads, training.phases.seconds
        for text in (
            "Synchronous mode is enabled.",
            f"The total number of parameters is {parameters}.",
            f"The approximate memory cost is {_megabytes(training.memory_bytes)} MB.",
            f"Loading weights cost {seconds['loading']:.2f} (s).",
            f"Initializing each layer cost {seconds['initializing']:.2f} (s).",
            f"The number of threads is {threads}.",
            f"The mini-batch size per thread is {-(-size // (training.p.n_threads or 1))}.",
            f"The total mini-batch size is {size}.",
            f"The seed is {training.seed}.",
            *_variables(training),
        ):
            self.ctx.note(text)

    def event(self, event: TrainEvent) -> None:
        """Tell of an epoch or a mini-batch."""
        if isinstance(event, BatchEvent):
            if self.level >= BATCHES:
                self.ctx.record(
                    f"Batch {event.batch}: nUsed {event.rows}, learning rate "
                    f"{shown(event.learning_rate)}, loss {shown(event.loss)}, "
                    f"{self._error(event)}, time {self._since():.2f} (s)"
                )
        elif self.level >= EPOCHS:
            self.ctx.record(self._epoch(event))

    def end(self, result: TrainResult) -> None:
        """Tell how a run ended."""
        if self.level < START:
            return
        self.ctx.note(f"The optimization stopped: {result.reason}.")
        seconds = sum(epoch.seconds for epoch in result.history)
        self.ctx.note(f"The total time is {seconds:.2f} (s).")

    def _error(self, event: TrainEvent) -> str:
        """Return the fit error, or of detection the overlap it is 1 without."""
        if self.finds_objects:
            return f"IOU {shown(1 - event.fit_error)}"
        return f"fit error {shown(event.fit_error)}"

    def _epoch(self, event: EpochEvent) -> str:
        text = (
            f"Epoch {event.epoch}: learning rate {shown(event.learning_rate)}, loss "
            f"{shown(event.loss)}, {self._error(event)}"
        )
        if event.valid_loss is not None and event.valid_error is not None:
            text += f", validation loss {shown(event.valid_loss)}"
            if self.finds_objects:
                text += f", validation IOU {shown(1 - event.valid_error)}"
            else:
                text += f", validation error {shown(event.valid_error)}"
        return f"{text}, time {event.seconds:.2f} (s)"

    def _since(self) -> float:
        """Return the seconds since this was asked before."""
        before, self.told = self.told, time.monotonic()
        return self.told - before


def normalization_warnings(graph: Graph) -> list[str]:
    """Return a sentence for every batch normalisation after a bias or an activation.

    Source: the deepLearn reference, rule B14.
    """
    found: list[str] = []
    for node in graph.nodes:
        if node.layer.type != "batchnorm":
            continue
        for source in map(graph.node, node.sources):
            faults = _faults(source)
            if faults:
                found.append(
                    f"layer {node.name!r} (batchnorm) follows layer {source.name!r} "
                    f"({source.layer.type}) with {' and '.join(faults)}; the published method has "
                    "neither bias nor activation there"
                )
    return found


def _faults(node: Node) -> list[str]:
    if node.layer.type not in ("convo", "groupconvo", "transconvo", "fc"):
        return []
    faults = ["a bias"] if getattr(node.layer, "include_bias", False) else []
    act = getattr(node.layer, "act", "IDENTITY")
    return faults if act == "IDENTITY" else [*faults, f"activation {act}"]


def _variables(training: "Training") -> list[str]:
    target = training.schema.targets[0]
    notes = [f"The target variable is {_named(target.names)}."] if target.names else []
    if isinstance(target, NominalTarget):
        notes.append(f"The number of levels for the target variable is {len(target.levels)}.")
        notes += [f"Level {place}: {name}" for place, name in enumerate(target.levels)]
    source = training.schema.inputs[0]
    if isinstance(source, ImageInput):
        notes.append("The number of input variables is 1.")
    if isinstance(source, VectorInput):
        numeric = sum(variable.kind == "interval" for variable in source.variables)
        notes.append(f"The number of input variables is {len(source.variables)}.")
        notes.append(f"The number of numeric input variables is {numeric}.")
    if isinstance(source, TextInput):
        notes.append("The number of text input variables is 1.")
    return notes


def _named(names: Sequence[str]) -> str:
    """Return names, the first ones of many."""
    shown_names = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown_names} and {more} more" if more > 0 else shown_names


def _megabytes(size: int) -> int:
    return -(-size // MEGABYTE)
