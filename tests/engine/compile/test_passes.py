from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import engine.modules.winograd as winograd
from engine.compile import passes
from engine.compile.lower import CompiledModel, compile_graph
from engine.compile.passes import (
    fold_batch_norm,
    has_loops,
    quicken,
    train_by_loops,
)
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Layer, Target
from engine.layers.convolution import Convolution, GroupConvolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.modules.convolution import Convolution2d
from engine.modules.normalization import BatchNorm
from engine.modules.pooled_convolution import PooledConvolution2d, pooled_loops
from engine.modules.pooling import Pooling2d, SlicedMaximum
from engine.modules.scored_convolution import ScoredConvolution2d

IMAGES = torch.rand(5, 2, 6, 6, generator=seeded(3))


def trained(first: Convolution, *, outputs: tuple[str, ...] = ()) -> CompiledModel:
    """Return a network of convolution, fully connected and residual layers with statistics."""
    graph = (
        Graph("net")
        .add("data", Input(n_channels=2, width=6, height=6))
        .add("conv", first, ["data"])
        .add("norm", BatchNormalization(act="RECTIFIER"), ["conv"])
        .add("sum", Residual(), ["norm", "norm"])
        .add("fc", FullyConnected(n=4, act="IDENTITY", include_bias=False), ["sum"])
        .add("norm2", BatchNormalization(act="TANH"), ["fc"])
        .add("out", Output(), ["norm2"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 3)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=outputs)
    for parameter in model.parameters("biases"):
        parameter.data.uniform_(0.5, 1.5, generator=seeded(2))
    model({"data": IMAGES})
    model.end_epoch()
    model.eval()
    return model


def norms(model: CompiledModel) -> int:
    return sum(isinstance(module, BatchNorm) for module in model.module.modules())


PLAIN = Convolution(n_filters=3, act="IDENTITY")


@pytest.mark.parametrize("channels_last", [False, True])
def test_folding_keeps_the_numbers(channels_last: bool) -> None:  # noqa: FBT001 - parametrised
    model = trained(PLAIN)
    model.to(torch.device("cpu"), channels_last=channels_last)
    expected = model({"data": IMAGES})["out"]

    folded = fold_batch_norm(model)

    assert (norms(model), norms(folded)) == (2, 0)
    torch.testing.assert_close(folded({"data": IMAGES})["out"], expected, atol=1e-5, rtol=1e-5)


def test_folding_leaves_the_given_model_as_it_was() -> None:
    model = trained(PLAIN)
    before = [each.clone() for each in model.module.state_dict().values()]

    fold_batch_norm(model)

    after = model.module.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_folded_model_has_no_weight_table() -> None:
    assert fold_batch_norm(trained(PLAIN)).specs == ()


@pytest.mark.parametrize(
    ("first", "outputs"),
    [
        (Convolution(n_filters=3, act="TANH"), ()),
        (Convolution(n_filters=3, act="IDENTITY", dropout=0.5), ()),
        (PLAIN, ("conv",)),
    ],
)
def test_a_layer_whose_own_output_counts_is_not_folded(
    first: Convolution, outputs: tuple[str, ...]
) -> None:
    model = trained(first, outputs=outputs)
    expected = model({"data": IMAGES})

    folded = fold_batch_norm(model)

    assert norms(folded) == 1  # the one after fc is folded
    for name, result in folded({"data": IMAGES}).items():
        torch.testing.assert_close(result, expected[name], atol=1e-5, rtol=1e-5)


def test_normalised_inputs_are_not_folded() -> None:
    graph = (
        Graph("net")
        .add("rows", Input(features=2))
        .add("norm", BatchNormalization(), ["rows"])
        .add("sum", Residual(), ["norm"])
        .add("norm2", BatchNormalization(), ["sum"])
        .add("out", Output(), ["norm2"])
    )
    bound = bind(graph, {}, {"out": Target("interval", 1)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))

    assert norms(fold_batch_norm(model)) == 2


WIDE = Convolution(n_filters=128, width=3, act="IDENTITY")


def convolving(*layers: tuple[str, Layer], maps: int = 128, side: int = 6) -> CompiledModel:
    """Return a network of layers one behind the other over square maps."""
    graph = Graph("net").add("data", Input(n_channels=maps, width=side, height=side))
    last = "data"
    for name, layer in layers:
        graph = graph.add(name, layer, [last])
        last = name
    graph = graph.add("out", Output(), [last])
    bound = bind(graph, {}, {"out": Target("nominal", 3)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))
    model.eval()
    return model


MANY = torch.rand(3, 128, 6, 6, generator=seeded(3))


LAYERS = {
    "wide": WIDE,
    "enough": Convolution(n_filters=16, width=3),
    "few": Convolution(n_filters=15, width=3),
    "from_few": Convolution(n_filters=128, width=3),
    "step": Convolution(n_filters=128, width=3, stride=2),
    "grouped": GroupConvolution(n_filters=128, width=3, n_groups=2),
    "large": Convolution(n_filters=128, width=5),
    "larger": Convolution(n_filters=128, width=7),
    "uneven": Convolution(n_filters=128, width=3, height=5),
}
BY_LOOPS = {"wide", "enough", "large"}
"""Those that are quicker in Winograd's form."""


def layers_with(model: CompiledModel, fits: Callable[[nn.Module], bool]) -> set[str]:
    """Return the names of layers whose modules fit."""
    names = {f"layer_{node.id}": node.name for node in model.graph.nodes}
    return {names[name] for name, module in model.module.named_children() if fits(module)}


@pytest.mark.parametrize("are_there", [True, False])
def test_convolutions_that_loops_gain_with_are_scored_by_them(
    are_there: bool,  # noqa: FBT001 - parametrised
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if are_there and winograd.loops(3) is None:
        pytest.skip("no loops were built for this processor")
    if not are_there:
        monkeypatch.setattr(passes, "winograd_loops", lambda _: None)
    model = convolving(*LAYERS.items())

    quick = quicken(fold_batch_norm(model))

    by_loops = layers_with(quick, lambda module: isinstance(module, ScoredConvolution2d))
    assert by_loops == (BY_LOOPS if are_there else set())
    assert has_loops(quick) is are_there
    with torch.no_grad():
        found, expected = quick({"data": MANY})["out"], model({"data": MANY})["out"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert quick.specs == ()
    assert not has_loops(quicken(fold_batch_norm(model), loops=False))


HALVED = Pooling(width=2, height=2, stride=2)


def conv(**given: Any) -> Convolution:
    """Return a convolution of five filters of 3 x 3."""
    return Convolution(**{"n_filters": 5, "width": 3, **given})


@pytest.mark.parametrize(
    ("layer", "pooling", "maps", "is_pooled"),
    [
        (conv(), HALVED, 3, True),
        (conv(), HALVED, 8, True),
        (conv(), HALVED, 9, False),
        (conv(n_filters=16), HALVED, 16, True),
        (conv(n_filters=15), HALVED, 16, False),
        (conv(width=5, height=3, padding=0), HALVED, 1, True),
        (conv(width=5, height=2, padding=0), HALVED, 1, False),
        (conv(dropout=0.5), HALVED, 3, True),
        *((conv(act=name), HALVED, 3, True) for name in ("IDENTITY", "TANH", "LEAKY", "EXP")),
        *((conv(act=name), HALVED, 3, False) for name in ("GELU", "SIN", "COS")),
        (conv(act="FCMP", fcmp_act="x"), HALVED, 3, False),
        (conv(stride=2, padding=0), HALVED, 3, False),
        (conv(dilation=2), HALVED, 3, False),
        (conv(padding=0), Pooling(width=2, height=2, stride=2, padding=1), 3, False),
        (conv(), Pooling(width=3, height=3, stride=3, padding=0), 3, False),
        (conv(), Pooling(width=2, height=2, stride=1, padding=0), 3, False),
        (conv(), Pooling(width=2, height=2, stride=2, pool="MIN"), 3, False),
        (conv(), Pooling(width=2, height=2, stride=2, dropout=0.5), 3, False),
    ],
)
def test_convolutions_by_loops_write_the_maxima_of_their_neighbours(
    layer: Convolution,
    pooling: Pooling,
    maps: int,
    is_pooled: bool,  # noqa: FBT001 - parametrised
) -> None:
    if pooled_loops() is None:
        pytest.skip("no loops were built for this processor")
    model = convolving(("conv", layer), ("pool", pooling), maps=maps, side=8)
    images = torch.randn(3, maps, 8, 8, generator=seeded(3))

    quick = quicken(fold_batch_norm(model))

    poolings = layers_with(quick, lambda module: isinstance(module, Pooling2d | SlicedMaximum))
    assert poolings == (set() if is_pooled else {"pool"})
    assert has_loops(quick) is is_pooled
    with torch.no_grad():
        found, expected = quick({"data": images})["out"], model({"data": images})["out"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_maxima_are_written_by_the_loops_that_gain() -> None:
    if pooled_loops() is None:
        pytest.skip("no loops were built for this processor")
    layers = (("few", conv(n_filters=16)), ("p1", HALVED), ("many", conv(n_filters=16)))
    model = convolving(*layers, ("p2", HALVED), maps=2, side=8)

    def kinds(*, loops: bool) -> list[type[nn.Module]]:
        quick = quicken(fold_batch_norm(model), loops=loops)
        return [type(each) for each in quick.module.children()][1:-1]

    assert kinds(loops=True) == [PooledConvolution2d, ScoredConvolution2d]
    assert kinds(loops=False) == [Convolution2d, SlicedMaximum] * 2


def test_maxima_behind_a_normalisation_are_written_too() -> None:
    if pooled_loops() is None:
        pytest.skip("no loops were built for this processor")
    layers = (("conv", PLAIN), ("norm", BatchNormalization(act="RECTIFIER")), ("pool", HALVED))
    model = convolving(*layers, maps=2)

    quick = quicken(fold_batch_norm(model))

    assert has_loops(quick)
    with torch.no_grad():
        found, expected = quick({"data": IMAGES})["out"], model({"data": IMAGES})["out"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("asked", ["conv", "pool"])
def test_a_layer_that_is_asked_for_is_computed_whole(asked: str) -> None:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=2, width=6, height=6))
        .add("conv", conv(), ["data"])
        .add("pool", HALVED, ["conv"])
        .add("out", Output(), ["pool"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 3)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=(asked,))
    model.eval()

    quick = quicken(fold_batch_norm(model))

    assert has_loops(quick) is (asked == "pool" and pooled_loops() is not None)
    with torch.no_grad():
        found, expected = quick({"data": IMAGES}), model({"data": IMAGES})
    for name, result in found.items():
        torch.testing.assert_close(result, expected[name], atol=1e-5, rtol=1e-5)


def test_convolutions_that_loops_gain_with_are_trained_by_them() -> None:
    model = convolving(*LAYERS.items())

    train_by_loops(model)

    by_loops = layers_with(model, lambda module: getattr(module, "in_loops", False))
    assert by_loops == (set() if winograd.loops(3) is None else BY_LOOPS)


@pytest.mark.parametrize(
    ("before", "layer", "is_pooled"),
    [
        ((), conv(), True),
        ((), conv(act="TANH"), True),
        ((), conv(dropout=0.5), False),
        ((("first", conv(n_filters=3)),), conv(), False),
    ],
)
def test_the_first_convolution_is_trained_with_the_maxima_after_it(
    before: tuple[tuple[str, Layer], ...],
    layer: Convolution,
    is_pooled: bool,  # noqa: FBT001 - parametrised
) -> None:
    """The loops give no gradients of images."""
    if pooled_loops() is None:
        pytest.skip("no loops were built for this processor")
    model = convolving(*before, ("conv", layer), ("pool", HALVED), maps=3, side=8)
    images = torch.randn(3, 3, 8, 8, generator=seeded(3))
    parameters = model.parameters()
    expected = torch.autograd.grad(model({"data": images})["out"].square().sum(), parameters)

    train_by_loops(model)

    of_pooled = layers_with(model, lambda module: isinstance(module, PooledConvolution2d))
    assert of_pooled == ({"conv"} if is_pooled else set())
    assert [id(each) for each in model.parameters()] == [id(each) for each in parameters]
    found = torch.autograd.grad(model({"data": images})["out"].square().sum(), parameters)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "is_sliced"),
    [
        (Pooling(width=2, height=2, stride=2), True),
        (Pooling(width=3, height=3, stride=3), True),
        (Pooling(width=4, height=4, stride=2), False),
        (Pooling(width=3, height=3, stride=2), False),
        (Pooling(width=2, height=2, stride=2, pool="MEAN"), False),
        (Pooling(width=2, height=2, stride=2, dropout=0.5), False),
    ],
)
def test_maxima_of_small_windows_are_taken_slice_by_slice(
    layer: Pooling,
    is_sliced: bool,  # noqa: FBT001 - parametrised
) -> None:
    model = convolving(("pool", layer))

    quick = quicken(fold_batch_norm(model))

    assert isinstance(quick.module.get_submodule("layer_1"), SlicedMaximum) is is_sliced
    assert torch.equal(quick({"data": MANY})["out"], model({"data": MANY})["out"])
