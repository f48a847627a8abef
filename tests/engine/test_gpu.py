"""What must hold on a graphics processor; each test compares with the CPU."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import Batch
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.train.config import Optimizer
from engine.train.loop import Trainer
from engine.weights import read_weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
ROWS = 24


def network(dropout: float = 0.0) -> Graph:
    """Return an uneven padding, batch normalisation and shrinking windows in one network."""
    graph = (
        Graph("net")
        .add("data", Input(n_channels=2, width=7, height=7, scale=1 / 255))
        .add(
            "conv",
            Convolution(n_filters=4, width=4, act="IDENTITY", include_bias=False),
            ["data"],
        )
        .add("norm", BatchNormalization(act="RECTIFIER"), ["conv"])
        .add("pool", Pooling(width=3, stride=2, pool="MEAN"), ["norm"])
        .add("fc", FullyConnected(n=6, dropout=dropout), ["pool"])
        .add("out", Output(), ["fc"])
    )
    return bind(graph, {}, {"out": Target("nominal", 3)})


class Rows:
    """Rows on a device, in two mini-batches."""

    rows = ROWS

    def __init__(self, device: torch.device) -> None:
        pixels = torch.randint(0, 256, (ROWS, 2, 7, 7), generator=seeded(1), dtype=torch.uint8)
        self.pixels = pixels.to(device)
        self.labels = (torch.arange(ROWS) % 3).to(device)

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        del generator
        for first in range(0, ROWS, batch_rows):
            part = slice(first, first + batch_rows)
            yield Batch({"data": self.pixels[part]}, {"out": self.labels[part]}, batch_rows)


def trained(device: torch.device, *, dropout: float = 0.0, epochs: int = 3) -> CompiledModel:
    model = compile_graph(network(dropout), BuildOptions(), generator=seeded(5))
    optimizer = Optimizer.model_validate(
        {"algorithm": {"method": "MOMENTUM", "learning_rate": 0.01}, "max_epochs": epochs}
    )
    Trainer(model, optimizer, Rows(device), batch_rows=12, device=device).run()
    return model


def numbers(model: CompiledModel) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.concatenate([chunk.values for chunk in read_weights(model)])


def test_padding_and_pooling_give_the_numbers_of_the_cpu() -> None:
    model = compile_graph(network(), BuildOptions(), generator=seeded(5))
    model.eval()
    pixels = Rows(CPU).pixels
    expected = model({"data": pixels})["out"]

    got = model.to(CUDA, channels_last=True)({"data": pixels.to(CUDA)})["out"]

    # float32 sums in another order, and TF32 is off by default
    torch.testing.assert_close(got.cpu(), expected, rtol=1e-4, atol=1e-5)


def test_training_ends_near_the_weights_of_the_cpu() -> None:
    np.testing.assert_allclose(numbers(trained(CUDA)), numbers(trained(CPU)), rtol=2e-3, atol=2e-4)


def test_the_same_seed_drops_the_same_outputs_twice() -> None:
    first, second = trained(CUDA, dropout=0.5), trained(CUDA, dropout=0.5)

    np.testing.assert_allclose(numbers(first), numbers(second), rtol=1e-4, atol=1e-6)


def test_memory_is_given_back_when_the_model_goes() -> None:
    before = torch.cuda.memory_allocated()
    model = trained(CUDA, epochs=1)
    assert torch.cuda.memory_allocated() > before

    del model

    assert torch.cuda.memory_allocated() == before
