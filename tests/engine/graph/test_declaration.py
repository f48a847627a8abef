from typing import Any

import pytest

import engine.graph.declaration
from engine.errors import GraphError, ShapeError
from engine.graph.declaration import declared, read_declared
from engine.graph.spec import Graph
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output

INPUT: dict[str, Any] = {"type": "input", "n_channels": 1, "width": 2, "height": 2}
LAYERS: list[dict[str, Any]] = [
    {"id": 0, "name": "data", "sources": [], "layer": INPUT},
    {"id": 3, "name": "fc", "sources": ["data"], "layer": {"type": "fc", "n": 2}},
    {"id": 5, "name": "out", "sources": ["fc"], "layer": {"type": "output", "n": 2}},
]


def change(place: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**each, **(changes if at == place else {})} for at, each in enumerate(LAYERS)]


def test_layers_in_any_order_make_the_graph_they_stand_for() -> None:
    found = read_declared("Net", "DNN", LAYERS[::-1])

    assert (found.name, found.family) == ("net", "DNN")
    assert [(node.id, node.name, node.sources) for node in found.nodes] == [
        (0, "data", ()),
        (3, "fc", ("data",)),
        (5, "out", ("fc",)),
    ]
    assert found.node("fc").layer == FullyConnected(n=2)


def test_a_graph_comes_back_from_its_declaration() -> None:
    graph = Graph("net").add("data", Input(n_channels=1, width=2, height=2))
    graph = graph.add("a", FullyConnected(n=4), ["data"]).add("b", FullyConnected(n=4), ["a"])
    graph = graph.add("c", FullyConnected(n=4), ["b"], shared="b").add("out", Output(n=2), ["c"])

    assert read_declared("net", "CNN", declared(graph)) == graph


BAD: tuple[tuple[object, str], ...] = (
    (
        None,
        "the declaration of model 'net' cannot be read: it: Input should be a valid tuple",
    ),
    (
        [{"id": 0}],
        "the declaration of model 'net' cannot be read: 0.name: Field required",
    ),
    (
        change(1, id=-1),
        (
            "the declaration of model 'net' cannot be read: 1.id: Input should be greater than or "
            "equal to 0"
        ),
    ),
    (
        change(1, id=0),
        (
            "the declaration of model 'net' got a name or an id twice, expected a name and an id "
            "of its own for every layer"
        ),
    ),
    (
        change(1, name="DATA"),
        (
            "the declaration of model 'net' got a name or an id twice, expected a name and an id "
            "of its own for every layer"
        ),
    ),
    (
        change(1, sources=["none"]),
        "the layer 'none' does not exist in model 'net'",
    ),
    (
        change(1, sources=["fc"]),
        "layers 'fc' -> 'fc' feed one another in a circle",
    ),
    (
        change(1, layer={"type": "convoy"}),
        "layer 'fc' has type 'convoy', which this version cannot read",
    ),
    (
        change(1, layer={}),
        "layer 'fc' has type None, which this version cannot read",
    ),
    (
        change(1, layer={"type": "fc", "n": "many"}),
        (
            "layer 'fc' (fc) has options this version cannot read: n: Input should be a valid "
            "integer, unable to parse string as an integer"
        ),
    ),
)


@pytest.mark.parametrize(("layers", "message"), BAD)
def test_what_declares_no_network_is_refused(layers: object, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        read_declared("net", "CNN", layers)

    assert caught.value.message == message


def test_a_layer_that_does_not_fit_is_refused() -> None:
    convo = {"type": "convo", "n_filters": 1, "width": 3, "padding": 0}

    with pytest.raises(ShapeError, match=r"^layer 'fc' \(convo\) "):
        read_declared("net", "CNN", change(1, layer=convo))


def test_too_many_layers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.graph.declaration, "MOST_LAYERS", 2)

    with pytest.raises(GraphError) as caught:
        read_declared("net", "CNN", LAYERS)

    assert caught.value.message == (
        "the declaration of model 'net' got 3 layers, expected at most 2"
    )
