import re

import pytest

from engine.errors import GraphError, ShapeError
from engine.graph.infer import account, bind
from engine.graph.layout import layout
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.pooling import Pooling

IMAGE = Input(n_channels=1, width=8, height=8)


def twins() -> Graph:
    """Return two images, each with a convolution, the second with the weights of the first."""
    return (
        Graph("net")
        .add("left", IMAGE)
        .add("right", IMAGE)
        .add("a", Convolution(n_filters=2), ["left"])
        .add("b", Convolution(n_filters=2, stride=2), ["right"], shared="A")
    )


def refused(message: str) -> "pytest.RaisesExc[GraphError]":
    return pytest.raises(GraphError, match=f"^{re.escape(message)}$")


def test_shared_weights_are_counted_once() -> None:
    # 9 weights and 1 bias a filter; the second layer still multiplies: 16 pixels times 18
    accounts = {each.name: each for each in account(twins())}

    assert (accounts["a"].weights, accounts["a"].biases) == (18, 2)
    assert (accounts["b"].weights, accounts["b"].biases) == (0, 0)
    assert accounts["b"].multiply_adds == 16 * 18
    assert accounts["b"].shape == (2, 4, 4)


def test_shared_weights_are_stored_once_under_the_id_of_their_owner() -> None:
    graph = twins().add("end", Output(), ["a"]).add("end2", Output(), ["b"])
    target = Target("nominal", 2)
    bound = bind(graph, {}, {"end": target, "end2": target})

    specs = layout(bound, BuildOptions())

    assert [spec.layer_id for spec in specs] == [2, 2, 4, 4, 5, 5]
    assert [node.shared for node in bound.nodes] == [None, None, None, "a", None, None]


def test_sharing_with_one_who_shares_means_its_owner() -> None:
    graph = twins().add("c", Convolution(n_filters=2), ["left"], shared="b")

    assert graph.node("c").shared == "a"


def test_an_unknown_owner_is_refused_with_its_nearest() -> None:
    with refused("the layer 'lef' does not exist in model 'net'; did you mean 'left'?"):
        twins().add("c", Convolution(n_filters=2), ["left"], shared="lef")


def test_an_owner_of_another_type_is_refused() -> None:
    with refused(
        "layer 'c' (fc) cannot share weights with layer 'a' (convo), expected a layer of type 'fc'"
    ):
        twins().add("c", FullyConnected(n=2), ["left"], shared="a")


@pytest.mark.parametrize(
    ("layer", "needed"),
    [
        (Convolution(n_filters=3), "weights (3, 1, 3, 3) and biases (3,)"),
        (Convolution(n_filters=2, width=1), "weights (2, 1, 1, 1) and biases (2,)"),
        (Convolution(n_filters=2, include_bias=False), "weights (2, 1, 3, 3)"),
    ],
)
def test_an_owner_of_other_tensors_is_refused(layer: Convolution, needed: str) -> None:
    message = (
        f"layer 'c' (convo) needs {needed}, expected what layer 'a' (convo) owns: "
        "weights (2, 1, 3, 3) and biases (2,)"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        twins().add("c", layer, ["left"], shared="a")


def test_a_layer_without_weights_may_share_none() -> None:
    # Clients that copy a branch say of every layer of the copy whose weights it has.
    graph = twins().add("p", Pooling(), ["a"]).add("q", Pooling(), ["b"], shared="p")

    assert {each.name: each.shape for each in account(graph)}["q"] == (2, 2, 2)


def test_tensors_that_wait_for_data_are_compared_when_it_is_bound() -> None:
    graph = (
        Graph("net")
        .add("rows", Input())
        .add("image", IMAGE)
        .add("a", FullyConnected(n=2), ["rows"])
        .add("b", FullyConnected(n=2), ["image"], shared="a")
        .add("end", Output(), ["a"])
        .add("end2", Output(), ["b"])
    )
    target = Target("nominal", 2)
    message = (
        "layer 'b' (fc) needs weights (64, 2) and biases (2,), expected what layer 'a' (fc) owns: "
        "weights (5, 2) and biases (2,)"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        bind(graph, {"rows": (5,)}, {"end": target, "end2": target})


def test_a_layer_does_not_share_with_itself() -> None:
    graph = twins().add("c", Convolution(n_filters=2), ["left"])
    with refused("layer 'c' (convo) cannot share weights with itself"):
        graph.add("c", Convolution(n_filters=2), ["left"], shared="c", replacing=True)


def test_a_replaced_layer_owns_its_weights_unless_it_says_otherwise() -> None:
    graph = twins().add("b", Convolution(n_filters=5), ["right"], replacing=True)

    assert graph.node("b").shared is None


def test_an_owner_that_begins_to_share_is_refused() -> None:
    graph = twins().add("c", Convolution(n_filters=2), ["left"])
    with refused(
        "layer 'b' (convo) shares weights with 'a', which shares those of 'c'; expected a layer "
        "that owns its weights"
    ):
        graph.add("a", Convolution(n_filters=2), ["left"], shared="c", replacing=True)


def test_an_owner_keeps_what_the_others_need() -> None:
    message = (
        "layer 'b' (convo) needs weights (2, 1, 3, 3) and biases (2,), expected what layer 'a' "
        "(convo) owns: weights (4, 1, 3, 3) and biases (4,)"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        twins().replace_layer("a", Convolution(n_filters=4))


def test_an_owner_cannot_be_removed() -> None:
    with refused(
        "layer 'a' (convo) cannot be removed, its weights are shared by 'b'; remove those first"
    ):
        twins().remove("a")
    assert len(twins().remove("b").remove("a").nodes) == 2
