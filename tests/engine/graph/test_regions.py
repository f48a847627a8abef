from engine.graph.declaration import declared, read_declared
from engine.graph.spec import Graph
from engine.layers.base import Layer
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.regions import FastRCNN, RegionProposal, ROIPooling


def pooled() -> Graph:
    """Return a network that ends in 8 regions of 4 maps of 2 x 3."""
    proposal = RegionProposal(anchor_ratio=(1.0,), anchor_scale=(1.0,), roi_train_sample_num=8)
    return (
        Graph("net")
        .add("data", Input(n_channels=1, width=16, height=16))
        .add("maps", Convolution(n_filters=4), ["data"])
        .add("values", Convolution(n_filters=6), ["maps"])
        .add("regions", proposal, ["values"])
        .add("parts", ROIPooling(output_height=2, output_width=3), ["maps", "regions"])
    )


def per_step(graph: Graph, name: str) -> bool:
    layer: Layer = graph.node(name).layer
    assert isinstance(layer, FullyConnected)
    return layer.per_step


def test_fully_connected_layers_behind_roipooling_treat_regions_one_by_one() -> None:
    graph = (
        pooled()
        .add("fc6", FullyConnected(n=5), ["parts"])
        .add("norm", BatchNormalization(), ["fc6"])
        .add("scores", FullyConnected(n=3), ["norm"])
        .add("shifts", FullyConnected(n=12), ["norm"])
        .add("found", FastRCNN(class_number=2), ["scores", "shifts", "regions"])
    )

    assert graph.shapes["parts"] == (8, 4 * 2 * 3)
    assert (graph.shapes["fc6"], graph.shapes["scores"]) == ((8, 5), (8, 3))
    assert per_step(graph, "fc6")
    assert per_step(graph, "shifts")
    assert read_declared("net", "CNN", declared(graph)).shapes == graph.shapes


def test_what_is_asked_for_holds() -> None:
    graph = pooled().add("all", FullyConnected(n=5, per_step=False), ["parts"])

    assert graph.shapes["all"] == (5,)


def test_other_sequences_are_multiplied_as_a_whole() -> None:
    graph = (
        Graph("net")
        .add("words", Input(steps=3, features=4))
        .add("each", FullyConnected(n=2, per_step=True), ["words"])
        .add("all", FullyConnected(n=5), ["each"])
    )

    assert not per_step(graph, "all")


def test_a_layer_in_the_place_of_another_is_put_behind_its_sources() -> None:
    graph = pooled().add("fc6", FullyConnected(n=5), ["parts"])

    assert per_step(graph.replace_layer("fc6", FullyConnected(n=7)), "fc6")
