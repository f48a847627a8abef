"""Shared weights in compiled networks."""

import numpy as np
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.weights import load_weights, read_weights


def siamese(*, shared: bool = True, seed: int = 1) -> CompiledModel:
    """Return two rows through the same layers, added up."""
    graph = Graph("net").add("x", Input(features=3)).add("y", Input(features=3))
    graph = graph.add("fx", FullyConnected(n=4, act="SIN"), ["x"])
    graph = graph.add("nx", BatchNormalization(epsilon=0.0), ["fx"])
    owner = ("fx", "nx") if shared else (None, None)
    graph = graph.add("fy", FullyConnected(n=4, act="SIN"), ["y"], shared=owner[0])
    graph = graph.add("ny", BatchNormalization(epsilon=0.0), ["fy"], shared=owner[1])
    graph = graph.add("sum", Residual(), ["nx", "ny"]).add("out", Output(), ["sum"])
    bound = bind(graph, {}, {"out": Target("nominal", 2)})
    return compile_graph(bound, BuildOptions(), generator=seeded(seed), outputs=["fx", "fy", "sum"])


def rows() -> dict[str, torch.Tensor]:
    draw = np.random.default_rng(2).normal(size=(2, 6, 3))
    return {
        name: torch.tensor(each, dtype=torch.float32) for name, each in zip("xy", draw, strict=True)
    }


def test_layers_that_share_compute_with_the_same_numbers() -> None:
    model, both = siamese(), rows()

    found = model({"x": both["x"], "y": both["x"]})

    assert torch.equal(found["fx"], found["fy"])


def test_the_gradient_is_the_sum_over_the_layers_that_share() -> None:
    # F61 between layers: the same start without sharing, and the gradients of both copies
    model, apart = siamese(), siamese(shared=False)
    copies = {
        (spec.layer_id + (2 if name == "y" else 0), spec.name): model.tensor(spec)
        for spec in model.specs
        for name in "xy"
    }
    for spec in apart.specs:
        if (spec.layer_id, spec.name) in copies and spec.layer_id in (2, 3, 4, 5):
            apart.tensor(spec).detach().copy_(copies[spec.layer_id, spec.name])
    for spec in apart.specs:
        if spec.layer_id == 7:
            same = next(s for s in model.specs if s.layer_id == 7 and s.name == spec.name)
            apart.tensor(spec).detach().copy_(model.tensor(same))

    shared = torch.autograd.grad(model(rows())["out"].square().sum(), model.parameters())
    alone = torch.autograd.grad(apart(rows())["out"].square().sum(), apart.parameters())

    # weight, bias and affine of the first branch lie before those of the second
    for ours, first, second in zip(shared[:3], alone[:3], alone[3:6], strict=True):
        torch.testing.assert_close(ours, first + second, atol=1e-4, rtol=1e-4)


def test_shared_statistics_are_those_of_all_rows_of_all_layers() -> None:
    model = siamese()
    model.begin_epoch()

    found = model(rows())
    model.end_epoch()

    every = torch.cat([found["fx"], found["fy"]]).detach().double().numpy()
    expected = np.stack([every.mean(0), every.std(0)], 1)
    for layer in (3, 5):
        statistics = model.module.get_submodule(f"layer_{layer}").get_buffer("statistics")
        np.testing.assert_allclose(statistics.numpy(), expected, atol=1e-6)


def test_shared_numbers_survive_the_weight_table_and_the_way_to_a_device() -> None:
    first, second = siamese(seed=1), siamese(seed=2)
    second.to(torch.device("cpu"), channels_last=True)

    loaded = load_weights(second, read_weights(first))

    assert loaded == {2, 3, 7}
    for model in (first, second):
        model.eval()
    for name, result in first(rows()).items():
        torch.testing.assert_close(second(rows())[name], result)


def test_parameters_are_listed_once() -> None:
    # (3, 4) + 4 + (4, 2) gamma and beta, the output (4, 2) + 2
    assert [tuple(each.shape) for each in siamese().parameters()] == [
        (3, 4),
        (4,),
        (4, 2),
        (4, 2),
        (2,),
    ]
