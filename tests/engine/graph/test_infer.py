import re

import pytest

from engine.errors import GraphError, ShapeError
from engine.graph.infer import account, bind, check_trainable, infer_shapes, known_shapes
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from tests.engine.classics import lenet, vgg16

LEVELS = Target("nominal", 3)


def table() -> Graph:
    """Return rows, fc, out over columns not seen yet."""
    return (
        Graph("net")
        .add("rows", Input())
        .add("fc", FullyConnected(n=4), ["rows"])
        .add("out", Output(), ["fc"])
    )


def refused(message: str) -> "pytest.RaisesExc[GraphError]":
    return pytest.raises(GraphError, match=f"^{re.escape(message)}$")


def test_lenets_shapes_are_those_of_the_tutorial() -> None:
    # F76
    assert infer_shapes(lenet()) == {
        "data": (1, 28, 28),
        "conv1": (20, 24, 24),
        "pool1": (20, 12, 12),
        "conv2": (50, 8, 8),
        "pool2": (50, 4, 4),
        "hidden": (500,),
        "out": (10,),
    }


def test_lenet_has_431080_parameters() -> None:
    # F77: 520 + 25,050 + 400,500 + 5,010
    counts = {each.name: (each.weights or 0) + (each.biases or 0) for each in account(lenet())}

    assert {name: count for name, count in counts.items() if count} == {
        "conv1": 520,
        "conv2": 25_050,
        "hidden": 400_500,
        "out": 5_010,
    }
    assert sum(counts.values()) == 431_080


# table 5.2: output shape, activations, weights
VGG16 = [
    ((3, 224, 224), 150_528, 0),
    ((64, 224, 224), 3_211_264, 1_728),
    ((64, 224, 224), 3_211_264, 36_864),
    ((64, 112, 112), 802_816, 0),
    ((128, 112, 112), 1_605_632, 73_728),
    ((128, 112, 112), 1_605_632, 147_456),
    ((128, 56, 56), 401_408, 0),
    ((256, 56, 56), 802_816, 294_912),
    ((256, 56, 56), 802_816, 589_824),
    ((256, 56, 56), 802_816, 589_824),
    ((256, 28, 28), 200_704, 0),
    ((512, 28, 28), 401_408, 1_179_648),
    ((512, 28, 28), 401_408, 2_359_296),
    ((512, 28, 28), 401_408, 2_359_296),
    ((512, 14, 14), 100_352, 0),
    ((512, 14, 14), 100_352, 2_359_296),
    ((512, 14, 14), 100_352, 2_359_296),
    ((512, 14, 14), 100_352, 2_359_296),
    ((512, 7, 7), 25_088, 0),
    ((4096,), 4_096, 102_760_448),
    ((4096,), 4_096, 16_777_216),
    ((1000,), 1_000, 4_096_000),
]


def test_vgg16_is_accounted_layer_by_layer_without_a_tensor() -> None:
    # F42, F45 and table 5.2
    accounts = account(vgg16())
    sizes = []
    for each in accounts:
        assert each.shape is not None
        size = 1
        for axis in each.shape:
            size *= axis
        sizes.append((each.shape, size, each.weights))

    assert sizes == VGG16
    assert [each.type for each in accounts].count("convo") == 13
    assert [each.type for each in accounts].count("pool") == 5


def test_vgg16_has_138357544_parameters() -> None:
    # F42
    accounts = account(vgg16())
    weights = sum(each.weights or 0 for each in accounts)
    biases = sum(each.biases or 0 for each in accounts)

    assert (weights, biases, weights + biases) == (138_344_128, 13_416, 138_357_544)


def test_multiplications_of_convolutions_and_matrices_are_counted() -> None:
    # VGG-16: conv1_1 224² * 64 * 27, conv1_2 224² * 64 * 576, fc8 4096 * 1000
    costs = {each.name: each.multiply_adds for each in account(vgg16())}

    assert costs["conv1_1"] == 86_704_128
    assert costs["conv1_2"] == 1_849_688_064
    assert (costs["pool1"], costs["fc8"]) == (0, 4_096_000)


def test_the_example_network_halves_once() -> None:
    # F6
    graph = (
        Graph("example")
        .add("data", Input(n_channels=3, width=32, height=32))
        .add("conv", Convolution(n_filters=12), ["data"])
        .add("pool", Pooling(), ["conv"])
        .add("out", Output(n=10), ["pool"])
    )

    assert infer_shapes(graph) == {
        "data": (3, 32, 32),
        "conv": (12, 32, 32),
        "pool": (12, 16, 16),
        "out": (10,),
    }


def test_statistics_are_counted_apart_from_biases() -> None:
    # 2.5: 2 C biases and 2 C more rows
    graph = Graph("net").add("data", Input(n_channels=3, width=4, height=4))
    counted = account(graph.add("norm", BatchNormalization(), ["data"]))[1]

    assert (counted.weights, counted.biases, counted.statistics) == (0, 6, 6)


def test_costs_that_wait_for_data_are_none() -> None:
    rows, fc, out = account(table())

    assert (rows.shape, rows.weights, rows.biases) == (None, 0, 0)
    assert (fc.shape, fc.weights, fc.biases, fc.multiply_adds) == ((4,), None, None, None)
    assert (out.shape, out.weights, out.statistics) == (None, None, None)
    assert fc.sources == ("rows",)


def test_equal_padding_changes_shapes() -> None:
    graph = Graph("net").add("data", Input(n_channels=1, width=4, height=4))
    graph = graph.add("conv", Convolution(n_filters=1, width=2), ["data"])
    options = BuildOptions(force_equal_padding=True)

    assert infer_shapes(graph)["conv"] == (1, 4, 4)
    assert infer_shapes(graph, options)["conv"] == (1, 5, 5)
    assert account(graph, options)[1].shape == (1, 5, 5)


def test_shapes_come_in_the_order_of_ids() -> None:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=1, width=4, height=4))
        .add("a", Pooling(), ["data"])
        .add("b", Pooling(), ["data"])
        .add("a", Pooling(), ["b"], replacing=True)
    )

    assert list(infer_shapes(graph).items())[1:] == [("a", (1, 1, 1)), ("b", (1, 2, 2))]


def test_binding_fills_in_columns_and_levels() -> None:
    bound = bind(table(), {"ROWS": (5,)}, {"Out": LEVELS})

    assert infer_shapes(bound) == {"rows": (5,), "fc": (4,), "out": (3,)}
    assert [each.weights for each in account(bound)] == [0, 20, 12]


def test_binding_leaves_the_declared_graph_as_it_was() -> None:
    graph = table()

    bind(graph, {"rows": (5,)}, {"out": LEVELS})

    assert graph == table()


def test_a_declared_image_needs_no_shape() -> None:
    assert known_shapes(bind(lenet(), {}, {"out": Target("nominal", 10)}), BuildOptions())


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (
            {"rows": (5,), "fc": (5,)},
            {"out": LEVELS},
            "got data for 'fc', expected an input layer: 'rows'",
        ),
        (
            {"rows": (5,)},
            {"out": LEVELS, "rows": LEVELS},
            "got data for 'rows', expected a task layer: 'out'",
        ),
        ({}, {"out": LEVELS}, "layer 'rows' (input) got no data, expected columns or an image"),
        ({"rows": (5,)}, {}, "layer 'out' (output) got no data, expected columns or an image"),
        (
            {"rows": (1, 2, 2)},
            {"out": LEVELS},
            (
                "layer 'rows' (input) got rows of shape (1, 2, 2), expected one axis, or two for "
                "sequences; declare nChannels, width and height for images"
            ),
        ),
    ],
)
def test_data_that_does_not_belong_to_the_graph_is_refused(
    inputs: dict[str, tuple[int, ...]], targets: dict[str, Target], message: str
) -> None:
    with refused(message):
        bind(table(), inputs, targets)


def test_too_few_neurons_for_the_levels_are_refused() -> None:
    with refused(
        "layer 'out' (output) option 'n' got 10, expected at least 11: the number of levels"
    ):
        bind(lenet(), {}, {"out": Target("nominal", 11)})


def test_layers_that_do_not_fit_the_data_are_refused() -> None:
    graph = table().add("conv", Convolution(n_filters=1), ["rows"])
    with pytest.raises(ShapeError, match=r"^layer 'conv' \(convo\) got \(5,\), expected "):
        bind(graph, {"rows": (5,)}, {"out": LEVELS})


def test_shapes_of_an_unbound_graph_are_not_known() -> None:
    with refused("layer 'rows' (input) has no shape yet, expected a model bound to its data"):
        known_shapes(table(), BuildOptions())


def test_a_complete_graph_can_be_trained() -> None:
    check_trainable(table())
    check_trainable(vgg16())


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (Graph("net"), "model 'net' has no input layer, expected at least one"),
        (
            Graph("net").add("rows", Input()),
            "model 'net' has no task layer, expected at least one; add an output layer",
        ),
        (
            table().add("sum", Residual(), ["fc"]).add("more", Residual(), ["sum"]),
            (
                "model 'net' has layers that lead to no output: 'sum', 'more'; "
                "remove them or add an output layer after them"
            ),
        ),
    ],
)
def test_an_incomplete_graph_cannot_be_trained(graph: Graph, message: str) -> None:
    with refused(message):
        check_trainable(graph)
