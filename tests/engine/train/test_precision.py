"""Training in half precision: the same bits every time, near those of float32."""

from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import ResidentSource
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
from engine.modules.convolution import Convolution2d
from engine.train.checkpoint import Checkpoint, Checkpointing, Interrupted
from engine.train.config import Optimizer
from engine.train.loop import Trainer, TrainResult
from engine.weights import read_weights
from tests.engine.networks import Array

ROWS, BATCH, SIDE = 48, 12, 9
OPTIONS = Optimizer.model_validate(
    {"algorithm": {"method": "MOMENTUM", "learning_rate": 0.05}, "max_epochs": 4}
)


def network() -> Graph:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=3, width=SIDE, height=SIDE, scale=1 / 255))
        .add("conv", Convolution(n_filters=8, width=3, act="IDENTITY"), ["data"])
        .add("norm", BatchNormalization(act="RECTIFIER"), ["conv"])
        .add("pool", Pooling(width=2, stride=2), ["norm"])
        .add("fc", FullyConnected(n=16, dropout=0.2), ["pool"])
        .add("out", Output(), ["fc"])
    )
    return bind(graph, {}, {"out": Target("nominal", 3)})


def pictures() -> ResidentSource:
    """Return noise with a bright third: left, middle or right is the label."""
    labels = torch.arange(ROWS) % 3
    pixels = torch.randint(0, 90, (ROWS, 3, SIDE, SIDE), generator=seeded(1), dtype=torch.uint8)
    for row, label in enumerate(labels.tolist()):
        pixels[row, :, :, 3 * label : 3 * label + 3] += 120
    return ResidentSource({"data": pixels}, {"out": labels})


def trained(precision: Any, **more: Any) -> tuple[CompiledModel, TrainResult]:
    model = compile_graph(network(), BuildOptions(), generator=seeded(5))
    trainer = Trainer(
        model, OPTIONS, pictures(), batch_rows=BATCH, record_seed=2, precision=precision, **more
    )
    return model, trainer.run()


def numbers(model: CompiledModel) -> Array:
    return np.concatenate([chunk.values.copy() for chunk in read_weights(model)])


def test_half_precision_gives_the_same_bits_twice() -> None:
    first, second = trained("FP16"), trained("FP16")

    np.testing.assert_array_equal(numbers(first[0]), numbers(second[0]))
    assert [each.loss for each in first[1].history] == [each.loss for each in second[1].history]


def test_half_precision_learns_as_float32_does() -> None:
    whole, half = trained("FP32"), trained("FP16")

    losses = [[each.loss for each in run[1].history] for run in (whole, half)]
    assert not np.array_equal(numbers(whole[0]), numbers(half[0]))
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
    assert half[1].history[-1].fit_error == whole[1].history[-1].fit_error == 0.0


def test_products_are_formed_in_bfloat16_and_kept_numbers_in_float32() -> None:
    model = compile_graph(network(), BuildOptions(), generator=seeded(5))
    seen: list[torch.dtype] = []

    def hook(module: Any, inputs: Any, output: Tensor) -> None:
        del module, inputs
        seen.append(output.dtype)

    convolution = next(m for m in model.module.modules() if isinstance(m, Convolution2d))
    convolution.register_forward_hook(hook)
    Trainer(model, OPTIONS, pictures(), batch_rows=ROWS, precision="FP16").run()

    assert set(seen) == {torch.bfloat16}
    assert {model.tensor(spec).dtype for spec in model.specs} == {torch.float32}


@pytest.mark.parametrize("batches", [6, 8])
def test_a_run_goes_on_in_the_precision_of_its_checkpoint(batches: int) -> None:
    whole, expected = trained("FP16")
    bodies: list[bytes] = []
    asked = count()
    checkpoints = Checkpointing(
        lambda found: bodies.append(found.to_bytes()),
        interrupted=lambda: next(asked) == batches,
    )
    with pytest.raises(Interrupted):
        trained("FP16", checkpoints=checkpoints)

    resumed, found = trained("FP32", resume=Checkpoint.from_bytes(bodies[-1]))

    np.testing.assert_array_equal(numbers(resumed), numbers(whole))
    assert [each.loss for each in found.history] == [each.loss for each in expected.history]
