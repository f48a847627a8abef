import pytest
import torch

from engine.compile import passes
from engine.compile.lower import CompiledModel, compile_graph
from engine.compile.passes import (
    cut_in_strips,
    fold_batch_norm,
    gaining_strips,
    quicken,
    train_with_fewer_products,
)
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.normalization import BatchNorm
from engine.modules.pooling import SlicedMaximum
from engine.modules.scored_strips import OneMapConvolution2d, RowWinogradConvolution2d
from engine.modules.strips import Strips
from engine.modules.winograd import WinogradConvolution2d
from engine.padding import plan_convolution

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


def convolving(
    *layers: tuple[str, Convolution | Pooling], maps: int = 128, side: int = 6
) -> CompiledModel:
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


@pytest.mark.parametrize(
    ("has_loops", "expected"),
    [(True, {"wide", "enough", "few", "fewest"}), (False, {"wide", "enough"})],
)
def test_small_filters_over_many_maps_are_tiled_and_no_others(
    has_loops: bool,  # noqa: FBT001 - parametrised
    expected: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loops that turn tiles gain with fewer maps."""
    monkeypatch.setattr(passes, "has_loops", lambda *_: has_loops)
    model = convolving(
        ("wide", WIDE),
        ("enough", Convolution(n_filters=96, width=3)),
        ("few", Convolution(n_filters=95, width=3)),
        ("fewest", Convolution(n_filters=32, width=3)),
        ("fewer", Convolution(n_filters=31, width=3)),
        ("from_fewer", Convolution(n_filters=128, width=3)),
        ("step", Convolution(n_filters=128, width=3, stride=2)),
        ("large", Convolution(n_filters=128, width=5)),
    )

    tiled = quicken(model)

    assert expected == {
        node.name
        for node in model.graph.nodes
        if isinstance(tiled.module.get_submodule(f"layer_{node.id}"), WinogradConvolution2d)
    }
    expected_values = model({"data": MANY})["out"]
    torch.testing.assert_close(tiled({"data": MANY})["out"], expected_values, atol=1e-5, rtol=1e-5)
    assert tiled.specs == ()


def addresses(model: CompiledModel) -> set[int]:
    """Return where the tensors of a model lie in memory."""
    module = model.module
    return {each.data_ptr() for each in (*module.parameters(), *module.buffers())}


@pytest.mark.parametrize(
    ("maps", "layer", "expected"),
    [
        # 20 filters over one map fill one register and a part of another
        (1, Convolution(n_filters=20, width=5, padding=0), OneMapConvolution2d),
        (1, Convolution(n_filters=32, width=5, padding=0), Convolution2d),
        (1, Convolution(n_filters=20, width=5, stride=2), Convolution2d),
        (1, Convolution(n_filters=20, width=1), Convolution2d),
        # 20 x 50 x 5 x (5 - 8 / 4) multiplications saved for 70 x 8 x 8 / 4 turned: 13.4
        (20, Convolution(n_filters=50, width=5, padding=0), RowWinogradConvolution2d),
        # 6 x 16 x 5 x 3 for 22 x 16: 4.1
        (6, Convolution(n_filters=16, width=5, padding=0), Convolution2d),
        # 48 x 48 x 3 x (3 - 6 / 4) for 96 x 6 x 6 / 4: 12, and 32 maps: 8
        (48, Convolution(n_filters=48, width=3), RowWinogradConvolution2d),
        (32, Convolution(n_filters=32, width=3), Convolution2d),
        (48, Convolution(n_filters=48, width=3, stride=2), Convolution2d),
        (48, Convolution(n_filters=48, width=9), Convolution2d),
        (48, Convolution(n_filters=48, width=1), Convolution2d),
    ],
)
def test_convolutions_are_cut_in_strips_where_it_gains(
    maps: int, layer: Convolution, expected: type
) -> None:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=maps, width=16, height=16))
        .add("conv", layer, ["data"])
        .add("out", Output(), ["conv"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 3)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))
    model.eval()
    images = torch.rand(3, maps, 16, 16, generator=seeded(3))
    places = addresses(model)

    cut = cut_in_strips(model)

    assert type(cut.module.get_submodule("layer_1")) is expected
    assert addresses(model) == places  # others may be computing with it
    assert not addresses(cut) & places
    assert not cut.module.training
    found = cut({"data": images})["out"]
    torch.testing.assert_close(found, model({"data": images})["out"], atol=2e-5, rtol=1e-5)
    assert cut.specs == ()


@pytest.mark.parametrize(
    ("has_loops", "expected"), [(True, ["wide", "few", "fewest"]), (False, ["wide"])]
)
def test_a_model_is_trained_in_tiles_where_filters_and_maps_are_many(
    has_loops: bool,  # noqa: FBT001 - parametrised
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "has_loops", lambda *_: has_loops)
    model = convolving(
        ("wide", WIDE),
        ("few", Convolution(n_filters=127, width=3)),
        ("fewest", Convolution(n_filters=48, width=3)),
        ("fewer", Convolution(n_filters=47, width=3)),
        ("from_fewer", Convolution(n_filters=128, width=3)),
        ("step", Convolution(n_filters=128, width=3, stride=2)),
        ("large", Convolution(n_filters=128, width=5)),
    )

    train_with_fewer_products(model)

    tiled = [
        node.name
        for node in model.graph.nodes
        if getattr(model.module.get_submodule(f"layer_{node.id}"), "in_tiles", False)
    ]
    assert tiled == expected


@pytest.mark.parametrize(
    ("shape", "size", "stride", "padding", "expected"),
    [
        ((50, 20, 5, 5), 12, 1, 0, True),  # LeNet's
        ((50, 20, 5, 5), 14, 1, 0, False),  # a third strip gives two columns beyond the edge
        ((50, 20, 5, 5), 12, 1, 2, True),
        ((50, 20, 5, 5), 12, 2, 0, False),
        ((64, 20, 5, 5), 12, 1, 0, False),  # filters fill registers
        ((20, 50, 5, 5), 12, 1, 0, False),  # few filters
        ((50, 3, 5, 5), 12, 1, 0, False),  # few maps
        ((100, 100, 3, 3), 10, 1, 0, False),
    ],
)
def test_a_convolution_is_trained_in_strips_where_its_filters_fill_no_registers(
    shape: tuple[int, int, int, int],
    size: int,
    stride: int,
    padding: int,
    expected: bool,  # noqa: FBT001 - parametrised
) -> None:
    axis = plan_convolution(size, shape[3], stride, padding)
    module = Convolution2d(shape, Windows(axis, axis), None, None, bias=True)

    found = gaining_strips(module)

    cut = Strips((padding, padding, padding, padding), 5, axis.out, 4)
    assert found == (cut if expected else None)


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

    quick = quicken(model)

    assert isinstance(quick.module.get_submodule("layer_1"), SlicedMaximum) is is_sliced
    assert torch.equal(quick({"data": MANY})["out"], model({"data": MANY})["out"])
