"""A whole model in one call, and what it is made of."""

import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TableExists
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import EngineError, GraphError, ShapeError
from tests.actions.house import SMALL_CNN, SMALL_DNN, Run, build, nothing_changes


def test_a_model_declared_at_once_is_the_one_built_layer_by_layer(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN, "net")

    run("castorch.declareModel", model={"name": "net", "caslib": "public"}, layers=SMALL_CNN)

    first = ctx.models.load(Name("net")).graph
    second = ctx.models.load(Name("net", "PUBLIC")).graph
    assert first == second


BAD: list[tuple[dict[str, object], type[EngineError], str]] = [
    (
        {"name": "fc1", "layer": {"type": "fc", "n": 0}, "srcLayers": "pool1"},
        InvalidParameters,
        r"^parameter 'layers\[3\].layer.n' got 0, expected greater than 0$",
    ),
    (
        {"name": "fc1", "layer": {"type": "fc", "n": 2}, "srcLayers": "pool2"},
        GraphError,
        r"^the layer 'pool2' does not exist in model 'net'; did you mean 'pool1'\?$",
    ),
    (
        {"name": "fc1", "layer": {"type": "residual"}, "srcLayers": ["data", "pool1"]},
        ShapeError,
        r"^layer 'fc1' \(residual\) got ",
    ),
    (
        {"name": "fc1", "layer": {"type": "fc", "n": 2}, "src": "data"},
        InvalidParameters,
        r"^parameter 'layers\[3\].src' is unknown, expected one of name, layer, srcLayers",
    ),
]


@pytest.mark.parametrize(("layer", "error", "message"), BAD)
def test_a_model_with_one_wrong_layer_is_not_made(
    run: Run,
    stores: MemoryStores,
    layer: dict[str, object],
    error: type[EngineError],
    message: str,
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        run("castorch.declareModel", model="net", layers=[*SMALL_CNN[:3], layer])


def test_a_model_is_not_replaced_unless_asked(run: Run, stores: MemoryStores) -> None:
    run("castorch.declareModel", model="net", layers=SMALL_CNN)

    with nothing_changes(stores), pytest.raises(TableExists, match=r"^the table 'net' exists in"):
        run("castorch.declareModel", model="net", layers=SMALL_CNN)


def test_the_summary_has_a_row_per_layer(run: Run) -> None:
    build(run, SMALL_CNN)

    answer = run("castorch.summary", modelTable="net")

    rows = answer.tables["Layers"].records()
    assert [(row["Name"], row["Type"], row["Sources"], row["Output"]) for row in rows] == [
        ("data", "input", "", "1 x 4 x 4"),
        ("conv1", "convo", "data", "2 x 4 x 4"),
        ("pool1", "pool", "conv1", "2 x 2 x 2"),
        ("out", "output", "pool1", "2"),
    ]
    # conv 3 x 3 on one map to two: 18 weights, 2 biases; output 8 to 2: 16 and 2
    assert [(row["Weights"], row["Biases"]) for row in rows] == [(0, 0), (18, 2), (0, 0), (16, 2)]
    # each of 18 weights at 16 places; 16 weights once
    assert [row["MultiplyAdds"] for row in rows] == [0, 18 * 16, 0, 16]


def test_the_summary_tells_receptive_fields_and_memory_of_a_mini_batch(run: Run) -> None:
    build(run, SMALL_CNN)

    answer = run("castorch.summary", modelTable="net", batchSize=10)

    rows = answer.tables["Layers"].records()
    # filters of 3 x 3; windows of 2 x 2 over them: 3 + 1
    assert [row["ReceptiveField"] for row in rows] == ["1 x 1", "3 x 3", "4 x 4", None]
    assert [row["Activations"] for row in rows] == [16, 32, 8, 2]
    # F51: 4 bytes, 10 rows; twice these, and three times 20 and 18 parameters
    assert [row["ActivationMemory"] for row in rows] == [640, 1280, 320, 80]
    assert [row["TrainingMemory"] for row in rows] == [1280, 2800, 640, 376]
    assert answer.tables["Totals"].records() == [
        {
            "Weights": 34,
            "Biases": 4,
            "Statistics": 0,
            "MultiplyAdds": 18 * 16 + 16,
            "Activations": 58,
            "ActivationMemory": 2320,
            "TrainingMemory": 5096,
        }
    ]


def test_sums_of_a_model_wait_for_its_data(run: Run) -> None:
    build(run, SMALL_DNN)

    (totals,) = run("castorch.summary", modelTable="net").tables["Totals"].records()

    assert totals["Weights"] is None
    assert totals["TrainingMemory"] is None


def test_what_depends_on_data_is_missing_until_it_is_seen(run: Run) -> None:
    build(run, SMALL_DNN)

    rows = run("castorch.summary", modelTable="net").tables["Layers"].records()
    info = run("deepLearn.modelInfo", modelTable="net").tables["ModelInfo"].records()

    assert [row["Weights"] for row in rows] == [None, None, None] or rows[1]["Weights"] is None
    assert not any("Parameters" in str(row["Descr"]) for row in info)


def test_model_info_counts_layers_in_the_order_of_cas(run: Run) -> None:
    layers = [*SMALL_CNN[:2], {"name": "bn", "layer": {"type": "batchnorm"}, "srcLayers": "conv1"}]
    build(run, layers)

    info = run("deepLearn.modelInfo", modelTable="net").tables["ModelInfo"].records()

    # weights 3 x 3 x 1 x 2; biases 2 and, of batch normalisation, gamma and beta of two maps
    assert [(row["Descr"], row["Value"]) for row in info] == [
        ("Model Name", "net"),
        ("Model Type", "Convolutional Neural Network"),
        ("Number of Layers", "3"),
        ("Number of Input Layers", "1"),
        ("Number of Output Layers", "0"),
        ("Number of Convolutional Layers", "1"),
        ("Number of Pooling Layers", "0"),
        ("Number of Fully Connected Layers", "0"),
        ("Number of Batch Normalization Layers", "1"),
        ("Number of Weight Parameters", "18"),
        ("Number of Bias Parameters", "6"),
        ("Total Number of Model Parameters", "24"),
        ("Approximate Memory Cost for Training (MB)", "1"),
    ]
