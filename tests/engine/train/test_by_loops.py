"""Training by the loops in C: what they compute, where, and what is told when it goes wrong."""

from itertools import count
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

import engine.modules.convolution as convolution
from engine.compile.lower import CompiledModel
from engine.data.batches import ResidentSource
from engine.devices import seeded
from engine.errors import TrainingError
from engine.fast_paths import NONE, FastPath, FastPaths
from engine.layers.convolution import Convolution
from engine.layers.pooling import Pooling
from engine.modules.pooled_convolution import PooledConvolution2d, pooled_loops
from engine.modules.winograd import convolve, loops
from engine.precision import Precision
from engine.train.checkpoint import Checkpoint, Checkpointing, Interrupted
from engine.train.loop import Trainer
from tests.engine.compile.test_passes import WIDE, convolving
from tests.engine.train.cases import optimizer


def by_loops(side: int) -> tuple[CompiledModel, Tensor]:
    """Return a network with a convolution of many filters, and the 8 images that have 32 tiles.

    Its activation has no corner, at which rounding would turn a gradient.
    """
    conv = Convolution(n_filters=16, width=side, act="TANH")
    return convolving(("wide", conv), maps=16), torch.rand(8, 16, 6, 6, generator=seeded(4))


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize(
    ("without", "precision", "expected"),
    [(NONE, "FP32", True), (frozenset({"loops"}), "FP32", False), (NONE, "FP16", False)],
)
def test_convolutions_train_with_fewer_products_where_they_gain(
    side: int,
    without: FastPaths,
    precision: Precision,
    expected: bool,  # noqa: FBT001 - parametrised
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights are those of torch's own convolutions, to rounding."""
    used = Mock(wraps=convolve)
    monkeypatch.setattr(convolution, "convolve", used)
    found = []
    for each in (without, frozenset[FastPath]({"loops"})):
        model, images = by_loops(side)
        rows = len(images)
        source = ResidentSource({"data": images}, {"out": torch.arange(rows) % 3})
        options = optimizer("MOMENTUM", rate=0.1, max_epochs=3)
        trainer = Trainer(
            model, options, source, batch_rows=rows, without=each, precision=precision
        )
        trainer.run()
        found.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))

    assert used.call_count == (3 if expected and loops(side) else 0)
    torch.testing.assert_close(found[0], found[1], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("without", [NONE, frozenset({"loops"})])
def test_a_first_convolution_that_diverges_is_named(without: FastPaths) -> None:
    model = convolving(
        ("conv", Convolution(n_filters=5, width=3)),
        ("pool", Pooling(width=2, height=2, stride=2)),
        maps=2,
        side=8,
    )
    model.parameters("weights")[0].data.fill_(1e38)
    images = torch.ones(4, 2, 8, 8)
    source = ResidentSource({"data": images}, {"out": torch.arange(4) % 3})
    with pytest.raises(TrainingError, match=r"epoch 0, batch 1, layer 'conv'; usual causes"):
        Trainer(model, optimizer(), source, batch_rows=4, without=without).run()


@pytest.mark.parametrize("without", [NONE, frozenset({"loops"})])
def test_the_first_convolution_trains_with_the_maxima_after_it(without: FastPaths) -> None:
    """Weights and losses are those of torch's own operations, to rounding."""
    images = torch.randn(24, 2, 8, 8, generator=seeded(4))
    source = ResidentSource({"data": images}, {"out": torch.arange(24) % 3})
    found = []
    for each in (without, frozenset[FastPath]({"loops"})):
        conv = Convolution(n_filters=5, width=3, act="TANH")
        pool = Pooling(width=2, height=2, stride=2)
        model = convolving(("conv", conv), ("pool", pool), maps=2, side=8)
        options = optimizer("MOMENTUM", rate=0.1, max_epochs=3)
        trainer = Trainer(model, options, source, batch_rows=10, valid=source, without=each)
        losses = [[epoch.loss, epoch.valid_loss or 0.0] for epoch in trainer.run().history]
        weights = torch.cat([weight.detach().flatten() for weight in model.parameters()])
        found.append((model, weights, losses))

    by_loops = isinstance(found[0][0].module.get_submodule("layer_1"), PooledConvolution2d)
    assert by_loops is (without == NONE and pooled_loops() is not None)
    torch.testing.assert_close(found[0][1], found[1][1], atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-4)


@pytest.mark.parametrize(("first", "then", "expected"), [("FP16", "FP32", 0), ("FP32", "FP16", 2)])
def test_a_run_that_goes_on_trains_by_loops_by_the_precision_of_its_checkpoint(
    first: Precision, then: Precision, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.rand(32, 128, 6, 6, generator=torch.Generator().manual_seed(4))
    source = ResidentSource({"data": images}, {"out": torch.arange(32) % 3})
    kept: list[Checkpoint] = []
    asked = count()
    checkpoints = Checkpointing(kept.append, interrupted=lambda: next(asked) == 1)

    def run(precision: Precision, **more: Any) -> None:
        model, options = convolving(("wide", WIDE)), optimizer(max_epochs=3)
        Trainer(model, options, source, batch_rows=32, precision=precision, **more).run()

    with pytest.raises(Interrupted):
        run(first, checkpoints=checkpoints)
    used = Mock(wraps=convolve)
    monkeypatch.setattr(convolution, "convolve", used)

    run(then, resume=kept[-1])

    assert used.call_count == (expected if loops(3) else 0)
