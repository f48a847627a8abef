"""Graphs as SVG."""

from xml.etree import ElementTree as ET

from engine.drawing.svg import draw
from engine.graph.spec import Graph
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.zoo import ZOO

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    found = ET.fromstring(svg).iter(f"{SVG}text")  # noqa: S314 - our own picture
    return [str(each.text) for each in found]


def test_an_empty_model_is_an_empty_picture() -> None:
    picture = ET.fromstring(draw(Graph("nothing")))  # noqa: S314 - our own picture

    assert picture.attrib["width"] == picture.attrib["height"] == "24"
    assert list(picture.iter(f"{SVG}rect")) == []


def test_a_name_cannot_break_out_of_the_picture() -> None:
    graph = Graph("</svg><script>").add("<b>&", Input(features=2))

    assert "<script>" not in draw(graph)
    assert texts(draw(graph))[0] == "<b>&"


def test_a_long_name_is_cut() -> None:
    graph = Graph("net").add("x" * 40, Input(features=2))

    assert texts(draw(graph))[0] == "x" * 26 + "…"


def test_normalisation_is_drawn_with_the_layer_it_belongs_to() -> None:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=1, width=8, height=8))
        .add("conv", Convolution(n_filters=2, stride=2, act="IDENTITY"), ["data"])
        .add("norm", BatchNormalization(), ["conv"])
        .add("again", BatchNormalization(), ["norm"])
        .add("sum", Residual(), ["again", "norm"])
    )

    found = texts(draw(graph))

    assert found[::2] == ["data", "conv", "again", "sum"]
    assert found[1::2] == [
        "input · 1 x 8 x 8",
        "3x3/2 · bn · 2 x 4 x 4",
        "batchnorm · 2 x 4 x 4",
        "residual · 2 x 4 x 4",
    ]


def test_windows_are_told_as_height_and_width() -> None:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=1, width=8, height=8))
        .add("conv", Convolution(n_filters=2, width=5, height=3), ["data"])
        .add("pool", Pooling(width=2, height=4, stride=1, pool="MEAN"), ["conv"])
        .add("all", Pooling(width=0, height=0), ["pool"])
    )

    assert texts(draw(graph))[3::2] == [
        "3x5 · 2 x 8 x 8",
        "mean 4x2 · 2 x 8 x 8",
        "max of all · 2 x 1 x 1",
    ]


def test_a_shape_that_is_not_known_is_left_out() -> None:
    assert texts(draw(Graph("net").add("data", Input()))) == ["data", "input"]


def test_every_layer_of_a_branching_network_is_drawn() -> None:
    graph = ZOO["googlenet"].build()

    picture = ET.fromstring(draw(graph))  # noqa: S314 - our own picture

    assert len(list(picture.iter(f"{SVG}rect"))) == len(graph.nodes)
    lines = [each for each in picture.iter(f"{SVG}path") if "style" not in each.attrib]
    assert len(lines) == sum(len(node.sources) for node in graph.nodes)
