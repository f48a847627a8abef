import re
from dataclasses import replace

import pytest

from actions import run_action
from actions.context import Context
from actions.deeplearn.layout import model_rows
from actions.deeplearn.schemas import declared
from actions.errors import Conflict, InvalidParameters, TableNotFound, WrongKind
from actions.memory import MemoryStores
from actions.ports import ModelStore, Name, StoredModel
from engine.errors import EngineError, GraphError, LayerError, ShapeError
from tests.actions.house import SMALL_CNN, Run, build, nothing_changes, put


def test_layers_are_added_one_by_one(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN)

    graph = ctx.models.load(Name("net")).graph
    assert [(n.id, n.name, n.layer.type, n.sources) for n in graph.nodes] == [
        (0, "data", "input", ()),
        (1, "conv1", "convo", ("data",)),
        (2, "pool1", "pool", ("conv1",)),
        (3, "out", "output", ("pool1",)),
    ]


@pytest.mark.parametrize("kind", ["convo", "CONVO", "convolution", "Convolution"])
def test_a_layer_type_is_known_by_all_its_names(run: Run, ctx: Context, kind: str) -> None:
    build(run, SMALL_CNN[:1])

    run(
        "deepLearn.addLayer",
        model="net",
        name="C",
        layer={"Type": kind, "NFILTERS": 3, "nobias": True},
        srcLayers="DATA",
    )

    layer = ctx.models.load(Name("net")).graph.node("c").layer
    assert layer.model_dump()["n_filters"] == 3
    assert layer.model_dump()["include_bias"] is False


def test_the_answer_names_the_model_and_its_rows(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN[:1])
    answer = run("deepLearn.addLayer", modelTable="net", **SMALL_CNN[1])

    info = ctx.tables.find(Name("net"))
    assert answer.tables["OutputCasTables"].records() == [
        {"casLib": "CASUSER", "Name": "net", "Rows": info.rows, "Columns": 5}
    ]


def test_a_replaced_layer_keeps_its_id(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN)
    layer = {"type": "convo", "nFilters": 5}

    run(
        "deepLearn.addLayer",
        modelTable="net",
        name="conv1",
        layer=layer,
        srcLayers="data",
        replace=True,
    )

    node = ctx.models.load(Name("net")).graph.node("conv1")
    assert (node.id, node.layer.model_dump()["n_filters"]) == (1, 5)


BAD = [
    (
        {"name": "x", "layer": {"type": "convolutoin"}},
        InvalidParameters,
        (
            "parameter 'layer.type' got 'convolutoin', expected a layer type; "
            "did you mean 'convolution' or 'convo'?"
        ),
    ),
    (
        {"name": "x", "layer": {"type": "convo", "nFilter": 3}, "srcLayers": "data"},
        InvalidParameters,
        r"parameter 'layer.nFilter' is unknown, expected one of .*; did you mean 'nFilters'",
    ),
    (
        {"name": "x", "layer": {"type": "convo", "nFilters": 0}, "srcLayers": "data"},
        InvalidParameters,
        "parameter 'layer.nFilters' got 0, expected greater than 0",
    ),
    (
        {"name": "x", "layer": {"type": "convo", "nFilters": "x"}, "srcLayers": "data"},
        InvalidParameters,
        "parameter 'layer.nFilters' got 'x', expected a valid integer",
    ),
    (
        {"name": "x", "layer": {"type": "convo", "nFilters": 1, "act": "rely"}},
        InvalidParameters,
        "parameter 'layer.act' got 'rely', expected one of .*; did you mean 'RELU'",
    ),
    (
        {"name": "x", "layer": {"type": "fc", "n": 2}, "srcLayers": "dta"},
        GraphError,
        "the layer 'dta' does not exist in model 'net'; did you mean 'data'?",
    ),
    (
        {"name": "pool1", "layer": {"type": "pool"}, "srcLayers": "data"},
        GraphError,
        "layer 'pool1' exists in model 'net' already, expected another name or replace",
    ),
    (
        {
            "name": "conv1",
            "layer": {"type": "residual"},
            "srcLayers": ["data", "pool1"],
            "replace": True,
        },
        GraphError,
        "layers .* feed one another in a circle",
    ),
    (
        {"name": "sum", "layer": {"type": "residual"}, "srcLayers": ["data", "conv1"]},
        ShapeError,
        r"layer 'sum' \(residual\) got .*\(1, 4, 4\).*\(2, 4, 4\)",
    ),
    (
        {"name": "x", "layer": {"type": "input", "nChannels": 1}},
        LayerError,
        "parameter 'layer': options 'nChannels', 'width' and 'height' got ",
    ),
    (
        {"name": "x", "layer": {"type": "fc", "n": 1, "act": "fcmp"}, "srcLayers": "data"},
        LayerError,
        "parameter 'layer': options 'act' and 'fcmpAct' got 'FCMP' and no text, ",
    ),
    (
        {
            "name": "x",
            "layer": {"type": "fc", "n": 1},
            "srcLayers": "data",
            "sharingWeights": "conv",
        },
        GraphError,
        "the layer 'conv' does not exist in model 'net'; did you mean 'conv1'?",
    ),
    (
        {
            "name": "x",
            "layer": {"type": "fc", "n": 1},
            "srcLayers": "data",
            "sharedWeights": "conv1",
        },
        GraphError,
        r"layer 'x' \(fc\) cannot share weights with layer 'conv1' \(convo\), ",
    ),
    ({"name": "x"}, InvalidParameters, "parameter 'layer' is required"),
    (
        {"name": "x", "layer": {"nFilters": 1}},
        InvalidParameters,
        "parameter 'layer.type' is required, expected a layer type",
    ),
]


def test_a_layer_may_use_the_weights_of_another(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN[:2])

    run(
        "deepLearn.addLayer",
        modelTable="net",
        name="twin",
        layer={"type": "convo", "nFilters": 2, "width": 3},
        srcLayers="data",
        sharedWeights="CONV1",
    )

    graph = ctx.models.load(Name("net")).graph
    shared = ("twin", "sharedweights", "conv1", 1.0, 2)
    assert graph.node("twin").shared == "conv1"
    assert shared in list(model_rows(graph))
    kept = [each.get("shared") for each in declared(graph)]
    assert kept == [None, None, "conv1"]


@pytest.mark.parametrize(("raw", "error", "message"), BAD)
def test_a_layer_that_is_wrong_leaves_the_model_as_it_was(
    run: Run,
    stores: MemoryStores,
    raw: dict[str, object],
    error: type[EngineError],
    message: str,
) -> None:
    build(run, SMALL_CNN[:3])

    with nothing_changes(stores), pytest.raises(error) as caught:
        run("deepLearn.addLayer", modelTable="net", **raw)

    assert re.match(message.replace("?", r"\?"), caught.value.message), caught.value.message


def test_a_model_that_is_not_there_is_named_with_the_nearest(
    run: Run, stores: MemoryStores
) -> None:
    build(run, SMALL_CNN[:1])

    message = r"^no table is named 'nets' in caslib 'CASUSER'; did you mean 'net'\?$"
    with nothing_changes(stores), pytest.raises(TableNotFound, match=message):
        run("deepLearn.addLayer", modelTable="nets", **SMALL_CNN[0])


def test_a_data_table_is_no_model(run: Run, ctx: Context) -> None:
    put(ctx, "rows", {"x": [1]})

    message = r"^the table 'rows' in caslib 'CASUSER' is a data table, expected a model table$"
    with pytest.raises(WrongKind, match=message):
        run("deepLearn.addLayer", modelTable="rows", **SMALL_CNN[0])


class Late:
    """A model store whose reader saw the model before the last change."""

    def __init__(self, models: ModelStore) -> None:
        self.save = models.save
        self.create = models.create
        self.seen = models.load(Name("net"))

    def load(self, name: Name) -> StoredModel:
        assert name.name == "net"
        return self.seen


def test_of_two_changes_at_once_one_is_told(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN[:2])
    late = replace(ctx, models=Late(ctx.models))
    run("deepLearn.addLayer", modelTable="net", **SMALL_CNN[2])

    message = r"^model 'net' was changed by another session; load it again$"
    with pytest.raises(Conflict, match=message):
        run_action(late, "deepLearn.addLayer", {"modelTable": "net", **SMALL_CNN[2]})
