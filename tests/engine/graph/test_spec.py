import re

import pytest

from engine.errors import GraphError, ShapeError
from engine.graph.spec import Graph, fold
from engine.layers.base import Layer
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.output import Output
from engine.layers.pooling import Pooling

IMAGE = Input(n_channels=1, width=8, height=8)


def chain() -> Graph:
    """Return data, conv, pool, out."""
    return (
        Graph("net")
        .add("data", IMAGE)
        .add("conv", Convolution(n_filters=2), ["data"])
        .add("pool", Pooling(), ["conv"])
        .add("out", Output(n=2), ["pool"])
    )


def refused(message: str) -> "pytest.RaisesExc[GraphError]":
    return pytest.raises(GraphError, match=f"^{re.escape(message)}$")


def test_ids_count_layers_in_the_order_they_are_added() -> None:
    assert [(node.id, node.name) for node in chain().nodes] == [
        (0, "data"),
        (1, "conv"),
        (2, "pool"),
        (3, "out"),
    ]


def test_names_are_trimmed_and_in_lower_case() -> None:
    # 0.3, A8
    graph = Graph("net").add(" Data ", IMAGE).add("Conv", Convolution(n_filters=1), ["DATA"])

    assert graph.node("conV ").sources == ("data",)
    assert fold(" LeNet ") == "lenet"


def test_adding_leaves_the_old_graph_as_it_was() -> None:
    graph = chain()

    graph.add("more", Pooling(), ["pool"])

    assert len(graph.nodes) == 4
    assert graph == chain()


def test_shapes_are_known_as_layers_are_added() -> None:
    assert chain().shapes == {
        "data": (1, 8, 8),
        "conv": (2, 8, 8),
        "pool": (2, 4, 4),
        "out": (2,),
    }


def test_a_layer_that_does_not_fit_names_itself_first() -> None:
    graph = Graph("net").add("rows", Input(features=5))
    message = "layer 'conv' (convo) got (5,), expected (channels, height, width)"

    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$") as caught:
        graph.add("conv", Convolution(n_filters=1), ["rows"])
    assert caught.value.details == {"layer": "conv", "source": [5]}


def test_a_source_may_be_named_twice() -> None:
    # D11
    graph = chain().add("twice", Residual(), ["conv", "conv"])

    assert graph.node("twice").sources == ("conv", "conv")


def test_an_unknown_source_is_refused_with_its_nearest() -> None:
    with refused("the layer 'pol' does not exist in model 'net'; did you mean 'pool'?"):
        chain().add("fc", FullyConnected(n=2), ["pol"])


def test_an_unknown_source_without_likeness_is_refused() -> None:
    with refused("the layer 'zzz' does not exist in model 'net'"):
        chain().add("fc", FullyConnected(n=2), ["zzz"])


def test_a_taken_name_is_refused() -> None:
    with refused("layer 'conv' exists in model 'net' already, expected another name or replace"):
        chain().add("CONV", Pooling(), ["data"])


def test_an_empty_name_is_refused() -> None:
    with refused("the name of a layer got ' ', expected at least one character"):
        Graph("net").add(" ", IMAGE)


@pytest.mark.parametrize(
    ("layer", "sources", "message"),
    [
        (IMAGE, ["data"], "layer 'new' (input) got 1 sources, expected none"),
        (Pooling(), [], "layer 'new' (pool) got 0 sources, expected 1"),
        (Pooling(), ["data", "conv"], "layer 'new' (pool) got 2 sources, expected 1"),
        (Residual(), [], "layer 'new' (residual) got 0 sources, expected at least 1"),
    ],
)
def test_a_layer_takes_a_number_of_sources(layer: Layer, sources: list[str], message: str) -> None:
    with refused(message):
        chain().add("new", layer, sources)


def test_a_layer_with_a_loss_is_no_source() -> None:
    with refused(
        "layer 'new' (fc) got source 'out', which ends a network; expected a layer without a loss"
    ):
        chain().add("new", FullyConnected(n=1), ["out"])


def test_a_replaced_layer_keeps_its_id_and_changes_what_follows() -> None:
    graph = chain().add("conv", Convolution(n_filters=5, stride=2), ["data"], replacing=True)

    assert graph.node("conv").id == 1
    assert graph.shapes["pool"] == (5, 2, 2)


def test_a_replacement_that_later_layers_do_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"^layer 'pool' \(pool\) got \(3,\), expected "):
        chain().add("conv", FullyConnected(n=3), ["data"], replacing=True)


def test_a_replacement_may_take_a_later_source() -> None:
    graph = (
        Graph("net")
        .add("data", IMAGE)
        .add("first", Convolution(n_filters=1), ["data"])
        .add("second", Convolution(n_filters=1), ["data"])
        .add("first", Convolution(n_filters=4), ["second"], replacing=True)
    )

    assert [node.name for node in graph.order] == ["data", "second", "first"]
    assert [node.name for node in graph.nodes] == ["data", "first", "second"]
    assert graph.shapes["first"] == (4, 8, 8)


def test_a_replacement_that_closes_a_circle_is_refused() -> None:
    with pytest.raises(GraphError) as caught:
        chain().add("conv", Convolution(n_filters=2), ["pool"], replacing=True)

    # the circle may begin with either of its two layers
    names = [("conv", "pool"), ("pool", "conv")]
    assert caught.value.message in [
        f"layers '{a}' -> '{b}' -> '{a}' feed one another in a circle" for a, b in names
    ]


def test_a_replacement_with_a_loss_in_the_middle_is_refused() -> None:
    with refused("layer 'conv' (output) ends a network, expected no layer after it; got 'pool'"):
        chain().add("conv", Output(n=2), ["data"], replacing=True)


def test_options_of_a_layer_are_changed_in_its_place() -> None:
    graph = chain().replace_layer("OUT", Output(n=7))

    assert (graph.node("out").id, graph.node("out").sources) == (3, ("pool",))
    assert graph.shapes["out"] == (7,)


def test_a_layer_changed_to_one_that_takes_no_sources_is_refused() -> None:
    with refused("layer 'conv' (input) got 1 sources, expected none"):
        chain().replace_layer("conv", IMAGE)


def test_removing_keeps_the_ids_of_the_others() -> None:
    graph = chain().remove("out").add("fc", FullyConnected(n=3), ["pool"])

    assert [(node.id, node.name) for node in graph.nodes][-1] == (3, "fc")
    two = chain().add("side", Pooling(), ["conv"])
    assert [node.id for node in two.remove("out").nodes] == [0, 1, 2, 4]
    assert two.remove("out").add("fc", FullyConnected(n=3), ["pool"]).node("fc").id == 5


def test_a_source_of_others_cannot_be_removed() -> None:
    graph = chain().add("side", Pooling(), ["conv"])
    with refused(
        "layer 'conv' (convo) cannot be removed, it is a source of 'pool', 'side'; "
        "remove what follows first"
    ):
        graph.remove("conv")


def test_an_unknown_layer_cannot_be_removed() -> None:
    with refused("the layer 'poll' does not exist in model 'net'; did you mean 'pool'?"):
        chain().remove("poll")


def test_shapes_that_wait_for_data_are_none() -> None:
    graph = (
        Graph("net")
        .add("rows", Input())
        .add("fc", FullyConnected(n=4), ["rows"])
        .add("sum", Residual(), ["rows", "rows"])
        .add("out", Output(), ["fc"])
    )

    assert graph.shapes == {"rows": None, "fc": (4,), "sum": None, "out": None}
