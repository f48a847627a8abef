"""A model, a table, and sources that follow a script, for the tests of training."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import torch

from engine.compile.lower import CompiledModel
from engine.data.batches import Batch, BatchSource, ResidentSource
from engine.data.columns import Columns
from engine.data.encode import Encoder
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.output import Output
from engine.train.config import Optimizer
from engine.train.history import TrainEvent
from engine.train.loop import Trainer, TrainResult
from engine.weights import read_weights
from tests.engine.networks import Array, compiled, learned, network, objects

ROWS = 40
RNG = np.random.default_rng(11)
X = RNG.normal(size=(ROWS, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.7 + RNG.normal(scale=0.1, size=ROWS)
NUMBERS: Columns = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": Y}
LABELS: Columns = {**NUMBERS, "y": objects(*np.where(Y > 0, "up", "down"))}


def optimizer(method: str = "VANILLA", rate: float = 0.1, **more: Any) -> Optimizer:
    algorithm = {"method": method, "learning_rate": rate, **more.pop("algorithm", {})}
    return Optimizer.model_validate({"algorithm": algorithm, **more})


@dataclass
class Case:
    """A model, a table and what happened."""

    columns: Columns = field(default_factory=lambda: NUMBERS)
    graph: Graph = field(default_factory=network)
    options: BuildOptions = field(default_factory=BuildOptions)
    events: list[TrainEvent] = field(default_factory=list)
    request: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schema = learned(self.graph, self.columns, options=self.options, **self.request)
        self.model: CompiledModel = compiled(self.graph, self.schema)
        self.source: BatchSource = ResidentSource.read(Encoder(self.schema), [self.columns])

    def train(self, options: Optimizer, batch_rows: int = ROWS, **more: Any) -> TrainResult:
        trainer = Trainer(
            self.model,
            options,
            more.pop("source", self.source),
            batch_rows=batch_rows,
            on_event=self.events.append,
            **more,
        )
        return trainer.run()

    @property
    def weights(self) -> Array:
        return np.concatenate([chunk.values.copy() for chunk in read_weights(self.model)])


@dataclass
class Scripted:
    """One row a batch, x = 1; the targets of epoch after epoch."""

    targets: list[list[float]]
    rows: int = 1
    epochs: Iterator[int] = field(default_factory=count)

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        del batch_rows, generator
        for target in self.targets[next(self.epochs) % len(self.targets)]:
            yield Batch({"data": torch.ones(1, 1)}, {"out": torch.tensor([[target]])}, 1)


def one_weight() -> Case:
    """Return a model y = w x: with rate 1 and x = 1 a step sets w to the target."""
    columns = {"x": np.array([1.0, 2.0]), "y": np.array([1.0, 2.0])}
    return Case(columns, network(output=Output(include_bias=False)))
