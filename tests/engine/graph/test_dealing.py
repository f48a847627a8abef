from engine.graph.dealing import dealt_parts
from engine.graph.spec import Graph
from engine.layers.channels import Split
from engine.layers.input import Input
from engine.layers.merge import Concatenation


def test_parts_follow_the_order_in_which_destinations_were_added() -> None:
    graph = (
        Graph("net")
        .add("data", Input(features=12))
        .add("s", Split(n_destination_layers=4), ["data"])
        .add("late", Concatenation(), ["data", "s"])
        .add("twice", Concatenation(), ["s", "late", "s"])
        .add("last", Concatenation(), ["s"])
    )

    assert dealt_parts(graph.nodes) == {
        ("late", 1): 0,
        ("twice", 0): 1,
        ("twice", 2): 2,
        ("last", 0): 3,
    }


def test_layers_that_deal_nothing_out_have_no_parts() -> None:
    graph = Graph("net").add("data", Input(features=3)).add("a", Concatenation(), ["data"])

    assert dealt_parts(graph.nodes) == {}
