"""A model, told as a table of five columns, is read back as it was."""

import re
from typing import Any

import pytest

from actions.context import Context
from actions.deeplearn.from_layout import read_model
from actions.deeplearn.layout import Row, model_rows
from actions.errors import ColumnNotFound, InvalidParameters
from actions.ports import Name
from engine.errors import DataError, EngineError, GraphError
from engine.graph.layout import layout
from engine.graph.spec import Graph
from engine.layers.base import LAYERS, BuildOptions
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from tests.actions.house import SMALL_CNN, Run, build, put
from tests.contract.test_every_layer_type import CASES, Case


def declared(case: Case) -> Graph:
    """Return a graph in which the layer stands behind inputs."""
    graph, names = Graph("net"), []
    for place, shape in enumerate(case.sources):
        names.append(f"in{place}")
        axes = ("n_channels", "height", "width") if len(shape) == 3 else ("steps", "features")
        source = dict(zip(axes[-len(shape) :], shape, strict=True))
        graph = graph.add(names[-1], Input.model_validate(source))
    return graph.add("it", LAYERS[case.type].model_validate(case.options), names)


def told(graph: Graph) -> tuple[list[Row], list[tuple[object, ...]]]:
    """Return all that a table tells of a graph: options with resolved values, and the edges."""
    edges: list[tuple[object, ...]] = [
        (node.id, node.name, node.sources, node.shared) for node in graph.nodes
    ]
    return list(model_rows(graph)), edges


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_type_comes_back_as_it_was_declared(case: Case) -> None:
    graph = declared(case)

    again = read_model(model_rows(graph), "Net")

    assert told(again) == told(graph)
    assert read_model(reversed(list(model_rows(graph))), "net") == again
    assert again.shapes == graph.shapes
    if None not in graph.shapes.values():
        assert layout(again, BuildOptions()) == layout(graph, BuildOptions())


def test_ids_sharing_and_replaced_layers_come_back() -> None:
    graph = (
        Graph("net", "DNN")
        .add("data", Input(features=4))
        .add("gone", FullyConnected(n=4), ["data"])
        .add("a", FullyConnected(n=4), ["data"])
        .add("b", FullyConnected(n=4), ["a"], shared="a")
        .add("sum", Residual(), ["b", "data", "b"])
        .remove("gone")
        .add("last", FullyConnected(n=4), ["data"])
        .add("a", FullyConnected(n=4), ["last"], replacing=True)
    )

    again = read_model(model_rows(graph), "net")

    assert told(again) == told(graph)
    assert [node.id for node in again.nodes] == [0, 2, 3, 4, 5]


def test_a_type_without_its_code_is_found_by_its_title() -> None:
    rows: list[Row] = [
        ("net", "modeltype", "DNN", None, None),
        ("data", "layertype", "Input", None, 0),
        ("data", "inputopts.features", None, 3.0, 0),
    ]

    assert read_model(rows, "copy") == Graph("copy", "DNN").add("data", Input(features=3))


FAMILY: Row = ("net", "modeltype", "CNN", 1.0, None)
DATA: Row = ("data", "layertype", "Input", 1.0, 0)
FC: tuple[Row, ...] = (
    ("fc", "layertype", None, 4.0, 1),
    ("fc", "srclayers", "data", 0.0, 1),
    ("fc", "fcopts.n", None, 3.0, 1),
)

BAD: dict[str, tuple[list[Row], type[EngineError], str]] = {
    "no family": (
        [DATA],
        DataError,
        "the model table got no row 'modeltype', expected one",
    ),
    "no id": (
        [FAMILY, ("data", "layertype", "Input", 1.0, None)],
        DataError,
        "key 'layertype' of layer 'data' got no _DLLayerID_, expected its id",
    ),
    "two ids": (
        [FAMILY, DATA, ("data", "inputopts.features", None, 3.0, 1)],
        DataError,
        "layer 'data' got id 1, expected one id per layer and no other's",
    ),
    "the id of another": (
        [FAMILY, DATA, ("more", "layertype", "Input", 1.0, 0)],
        DataError,
        "layer 'more' got id 0, expected one id per layer and no other's",
    ),
    "no type": (
        [FAMILY, ("data", "inputopts.features", None, 3.0, 0)],
        DataError,
        "layer 'data' got no row 'layertype'",
    ),
    "a wrong value": (
        [FAMILY, DATA, *FC[:2], ("fc", "fcopts.n", None, 0.0, 1)],
        InvalidParameters,
        "layer 'fc' of the model table: parameter 'n' got 0, expected greater than 0",
    ),
    "no such source": (
        [FAMILY, DATA, FC[0], ("fc", "srclayers.0", "dat", None, 1), FC[2]],
        GraphError,
        "the layer 'dat' does not exist in model 'net'; did you mean 'data'?",
    ),
    "an unknown family": (
        [("net", "modeltype", "Convolutional Network", 2.0, None)],
        DataError,
        (
            "the row 'modeltype' got 'Convolutional Network', expected one of Deep Neural Network, "
            "Convolutional Neural Network, Recurrent Neural Network; did you mean 'Convolutional "
            "Neural Network' or 'Deep Neural Network'?"
        ),
    ),
    "an unknown choice": (
        [FAMILY, DATA, *FC, ("fc", "fcopts.act", "Rectified", 99.0, 1)],
        DataError,
        (
            "layer 'fc': key 'act' got 'Rectified', expected one of Automatic, Identity, Logistic, "
            "Hyperbolic Tangent, Exponential, Sine, Cosine, Softmax, Rectifier, Softplus, ELU, "
            "FCMP, Leaky Activation function, GELU; did you mean 'Rectifier'?"
        ),
    ),
    "an unknown code": (
        [FAMILY, DATA, *FC, ("fc", "fcopts.act", None, 99.0, 1)],
        DataError,
        (
            "layer 'fc': key 'act' got 99, expected one of Automatic, Identity, Logistic, "
            "Hyperbolic Tangent, Exponential, Sine, Cosine, Softmax, Rectifier, Softplus, ELU, "
            "FCMP, Leaky Activation function, GELU"
        ),
    ),
    "a text for a number": (
        [FAMILY, DATA, *FC[:2], ("fc", "fcopts.n", "three", None, 1)],
        DataError,
        "layer 'fc': key 'n' got the text 'three', expected a number",
    ),
    "a text for a width": (
        [FAMILY, DATA, ("p", "layertype", None, 3.0, 1), ("p", "poolingopts.width", "2", None, 1)],
        DataError,
        "layer 'p': key 'width' got the text '2', expected a number",
    ),
    "no truth value": (
        [FAMILY, DATA, *FC, ("fc", "fcopts.no_bias", None, 2.0, 1)],
        DataError,
        "layer 'fc': key 'no_bias' got 2.0, expected 0 or 1",
    ),
    "no code": (
        [FAMILY, ("r", "layertype", None, 14.0, 0), ("r", "reshapeopts.reshapeorder", "", 9.0, 0)],
        DataError,
        (
            "layer 'r': key 'reshapeorder' got 9, expected one of 0 (AUTO), 1 (WHD), 2 (WDH), "
            "3 (HWD), 4 (HDW), 5 (DWH), 6 (DHW)"
        ),
    ),
    "no number in a list": (
        [FAMILY, DATA, ("data", "inputopts.offsets.1", "x", None, 0)],
        DataError,
        "layer 'data': key 'offsets.1' got no number, expected one of a list",
    ),
    "a circle": (
        [FAMILY, DATA, FC[0], FC[2], ("fc", "srclayers", "fc", 1.0, 1)],
        DataError,
        "layers 'fc' -> 'fc' feed one another in a circle",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_table_that_is_no_model_is_refused(name: str) -> None:
    rows, error, message = BAD[name]
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        read_model(rows, "net")


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    rows = [FAMILY, DATA, *FC, ("fc", "fcopts.includ_bias", None, 0.0, 1)]
    message = (
        r"^layer 'fc' got the unknown key 'fcopts.includ_bias', expected one of layertype, "
        r"srclayers, sharedweights, fcopts\.init, .*; did you mean 'fcopts.includebias'"
    )
    with pytest.raises(DataError, match=message):
        read_model(rows, "net")


@pytest.mark.parametrize(
    ("text", "number", "got"), [("Imput", None, "'Imput'"), (None, 99.0, "99")]
)
def test_an_unknown_layer_type_is_refused(text: str | None, number: float | None, got: str) -> None:
    message = rf"^layer 'data' got layertype {got}, expected a code or one of Input Layer, .*$"
    with pytest.raises(DataError, match=message):
        read_model([FAMILY, ("data", "layertype", text, number, 0)], "net")


def columns(graph: Graph) -> dict[str, Any]:
    names = ("_DLKey0_", "_DLKey1_", "_DLChrVal_", "_DLNumVal_", "_DLLayerID_")
    return dict(zip(names, map(list, zip(*model_rows(graph), strict=True)), strict=True))


def test_a_model_is_declared_from_a_table_of_its_rows(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN, "net")
    graph = ctx.models.load(Name("net")).graph
    put(ctx, "rows", columns(graph))

    for source in ("rows", "net"):
        run("castorch.declareModel", model={"name": "again", "replace": True}, fromTable=source)

        again = ctx.models.load(Name("again")).graph
        assert (again.name, again.family) == ("again", "CNN")
        assert list(model_rows(again))[1:] == list(model_rows(graph))[1:]


def test_a_table_without_the_columns_is_no_model(run: Run, ctx: Context) -> None:
    put(ctx, "rows", {"x": [1.0]})

    with pytest.raises(ColumnNotFound, match=r"'_DLKey0_'"):
        run("castorch.declareModel", model="again", fromTable="rows")


@pytest.mark.parametrize(
    ("given", "got"), [({}, "no value"), ({"layers": SMALL_CNN, "fromTable": "rows"}, "two values")]
)
def test_layers_come_from_one_place(run: Run, given: dict[str, Any], got: str) -> None:
    message = rf"^parameters 'layers' and 'fromTable' got {got}, expected exactly one$"
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.declareModel", model="net", **given)
