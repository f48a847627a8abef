from engine.graph.infer import account
from engine.graph.spec import Graph
from engine.layers.base import Layer
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Concatenation, Residual, Scale
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.layers.transposed import TransposedConvolution
from tests.engine.classics import lenet, vgg16


def fields(graph: Graph) -> dict[str, tuple[int, int] | None]:
    return {each.name: each.receptive_field for each in account(graph)}


def stacked(*layers: Layer) -> list[tuple[int, int] | None]:
    """Return the receptive fields of layers one after the other on an image of 64 by 64."""
    graph, last = Graph("stack").add("data", Input(n_channels=1, width=64, height=64)), "data"
    for place, layer in enumerate(layers):
        graph = graph.add(f"l{place}", layer, [last])
        last = f"l{place}"
    return list(fields(graph).values())[1:]


def conv(**options: int) -> Convolution:
    return Convolution(n_filters=1, **options)


def test_stacked_filters_of_three_see_three_five_and_seven_pixels() -> None:
    # F27, F60
    assert stacked(conv(), conv(), conv()) == [(3, 3), (5, 5), (7, 7)]


def test_fields_of_lenet_follow_the_recursion() -> None:
    # 5; 5 + 1 * 1 = 6, distance 2; 6 + 4 * 2 = 14; 14 + 1 * 2 = 16
    assert fields(lenet()) == {
        "data": (1, 1),
        "conv1": (5, 5),
        "pool1": (6, 6),
        "conv2": (14, 14),
        "pool2": (16, 16),
        "hidden": None,
        "out": None,
    }


def test_the_last_pool_of_vgg16_sees_212_pixels() -> None:
    # known from the literature: conv5_3 sees 196, pool5 212
    found = fields(vgg16())

    assert (found["conv1_2"], found["conv5_3"], found["pool5"]) == ((5, 5), (196, 196), (212, 212))


def test_steps_and_gaps_of_each_axis_count_by_themselves() -> None:
    # height: 3, then 3 + 2 * 1; width: 1 + 2 * 2 = 5 at distance 3, then 5 + 2 * 3
    first = conv(dilation_horizontal=2, stride_horizontal=3)

    assert stacked(first, conv()) == [(3, 5), (5, 11)]


def test_a_pool_over_the_whole_map_sees_all_of_it() -> None:
    assert stacked(conv(), Pooling(width=0)) == [(3, 3), (66, 66)]


def test_several_sources_count_with_the_largest_field() -> None:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=1, width=8, height=8))
        .add("a", conv(), ["data"])
        .add("b", conv(width=5), ["data"])
        .add("norm", BatchNormalization(), ["b"])
        .add("sum", Residual(), ["a", "norm"])
        .add("both", Concatenation(), ["a", "sum"])
        .add("factor", Pooling(width=0), ["a"])
        .add("scaled", Scale(), ["a", "factor"])
        .add("after", conv(), ["scaled"])
    )
    found = fields(graph)

    assert (found["norm"], found["sum"], found["both"]) == ((5, 5), (5, 5), (5, 5))
    # 3 + 7 pixels of a map of 8; then two more at the distance of the first source
    assert (found["scaled"], found["after"]) == ((10, 10), (12, 12))


def test_a_field_ends_where_pixels_have_no_place() -> None:
    rows = Graph("rows").add("data", Input()).add("fc", FullyConnected(n=2), ["data"])

    assert fields(rows) == {"data": None, "fc": None}
    assert stacked(conv(), TransposedConvolution(n_filters=1), conv()) == [(3, 3), None, None]


def test_activations_are_the_values_of_an_example() -> None:
    # table 5.2, F39: 224 * 224 * 64
    costs = {each.name: each.activations for each in account(vgg16())}

    assert (costs["data"], costs["conv1_1"], costs["fc8"]) == (150_528, 3_211_264, 1_000)
    assert account(Graph("rows").add("data", Input()))[0].activations is None
