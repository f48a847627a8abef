import numpy as np
import pytest
import torch
from torch.nn import Parameter

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import Batch
from engine.errors import TrainingError
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output
from engine.train.config import Optimizer
from engine.train.optimizers import Update
from engine.train.parameters import trained
from engine.train.step import Meter, first_not_finite, is_finite, norms, not_finite, train_step
from engine.weights import read_weights


def test_norms_are_the_terms_of_the_penalty() -> None:
    # sum |w| = 1 + 2 + 3 = 6, sum w^2 = 14
    weights = [Parameter(torch.tensor([1.0, -2.0])), Parameter(torch.tensor([[3.0]]))]
    assert norms(weights, 0.5, 0.25) == (3.0, 1.75)


def test_a_model_without_weights_has_no_norm() -> None:
    assert norms([], 1.0, 1.0) == (0.0, 0.0)


def test_one_undefined_value_makes_a_model_not_finite() -> None:
    good, bad = torch.ones(3), torch.tensor([1.0, float("nan")])
    assert is_finite([good])
    assert not is_finite([good, bad])


def test_a_meter_gives_the_same_sums_however_often_it_is_read() -> None:
    losses = [0.1, 1e8, 0.3, -1e8, 0.7]

    def total(reads: set[int]) -> float:
        meter = Meter(0)
        for place, loss in enumerate(losses):
            meter.add(torch.tensor(loss), torch.tensor(0.0), 2)
            if place in reads:
                meter.read()
        meter.read()
        return meter.loss

    assert total(set()) == total({0, 2})
    assert total(set()) == total({1, 3})


def test_a_meter_reads_the_means_of_the_last_batch() -> None:
    meter = Meter(0)
    meter.add(torch.tensor(8.0), torch.tensor(1.0), 1)
    meter.add(torch.tensor(6.0), torch.tensor(2.0), 4)
    assert meter.read() == (1.5, 0.5)
    assert (meter.loss, meter.error, meter.total_rows, meter.batches) == (14.0, 3.0, 5, 2)


def test_a_meter_names_the_first_batch_that_diverged() -> None:
    meter = Meter(3)
    for loss in (1.0, float("inf"), float("nan")):
        meter.add(torch.tensor(loss), torch.tensor(0.0), 1)
    with pytest.raises(TrainingError, match=r"^loss is not finite at epoch 3, batch 2; usual"):
        meter.read()


def test_the_error_of_divergence_carries_its_place() -> None:
    assert not_finite("loss is not finite", 1, 2).details == {"epoch": 1, "batch": 2}
    assert not_finite("a weight is not finite", 1).details == {"epoch": 1}
    assert not_finite("loss is not finite", 1, 2, layer="fc1").details == {
        "epoch": 1,
        "batch": 2,
        "layer": "fc1",
    }


def diverging(name: str) -> CompiledModel:
    """Return a network of three layers of neurons in which a weight of one is undefined."""
    graph = Graph("net").add("data", Input(features=2))
    for source, layer in (("data", "fc1"), ("fc1", "fc2")):
        graph = graph.add(layer, FullyConnected(n=3, act="IDENTITY"), [source])
    graph = graph.add("out", Output(), ["fc2"])
    bound = bind(graph, {}, {"out": Target("nominal", 2)})
    generator = torch.Generator().manual_seed(1)
    model = compile_graph(bound, BuildOptions(), generator=generator)
    place = next(spec for spec in model.specs if spec.layer_id == graph.node(name).id)
    with torch.no_grad():
        model.tensor(place)[0, 0] = float("nan")
    return model


@pytest.mark.parametrize("name", ["fc1", "fc2", "out"])
def test_divergence_is_told_with_the_first_layer_that_is_not_finite(name: str) -> None:
    model = diverging(name)
    before = [each.values.copy() for each in read_weights(model)]
    update = Update(Optimizer(), *trained(model, Optimizer()))
    batch = Batch({"data": torch.ones(2, 2)}, {"out": torch.tensor([0, 1])}, 2)

    message = (
        rf"^loss is not finite at epoch 4, batch 7, layer '{name}'; usual causes are inputs that "
        r"are not scaled, a learning rate that is too large, or exploding gradients$"
    )
    with pytest.raises(TrainingError, match=message):
        train_step(model, update, batch, 0.1, at=(4, 7))

    after = [each.values for each in read_weights(model)]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


def test_an_input_that_is_not_finite_is_the_first_layer_named() -> None:
    rows = torch.tensor([[1.0, float("inf")]])
    batch = Batch({"data": rows}, {"out": torch.tensor([0])}, 1)

    assert first_not_finite(diverging("out"), batch) == "data"
