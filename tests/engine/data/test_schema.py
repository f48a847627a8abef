import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.data.learn import learn_schema
from engine.data.schema import Schema, SchemaRequest, bound_graph
from engine.data.variables import (
    ImageInput,
    Interval,
    IntervalTarget,
    Nominal,
    NominalTarget,
    VectorInput,
)
from engine.errors import DataError, GraphError
from engine.layers.base import BuildOptions
from engine.layers.input import Input
from engine.layers.output import Output
from tests.engine.networks import learned, network, objects

NAN = float("nan")
TABLE = {
    "x": np.array([1.0, NAN, 3.0]),
    "c": objects("red", None, "blue"),
    "y": objects("no", "yes", "no"),
}


def vector(schema: Schema) -> VectorInput:
    source = schema.inputs[0]
    assert isinstance(source, VectorInput)
    return source


def interval(schema: Schema, place: int = 0) -> Interval:
    variable = vector(schema).variables[place]
    assert isinstance(variable, Interval)
    return variable


def test_text_is_nominal_and_numbers_are_interval() -> None:
    schema = learned(network(), TABLE)

    assert vector(schema).variables == (
        Interval(name="x", missing=2.0),
        Nominal(name="c", levels=("blue", "red"), has_missing_level=True),
    )
    assert schema.targets == (NominalTarget(layer="out", name="y", levels=("no", "yes")),)
    assert (schema.rows_read, schema.rows_used) == (3, 3)


def test_the_network_is_bound_to_the_encoded_width_and_the_levels() -> None:
    # x takes one column; c takes blue, red and missing
    graph = bound_graph(learned(network(), TABLE), network())

    data, out = graph.node("data").layer, graph.node("out").layer
    assert isinstance(data, Input)
    assert isinstance(out, Output)
    assert (data.features, out.n) == (4, 2)


def test_a_schema_survives_json() -> None:
    schema = learned(network(), TABLE)
    assert Schema.model_validate_json(schema.model_dump_json()) == schema


def test_a_schema_names_its_columns_once() -> None:
    assert learned(network(), TABLE).columns == ("x", "c", "y")


def test_numbers_are_nominal_when_named_so_in_any_case() -> None:
    columns = {"X": np.array([2.0, 10.0, 2.0]), "y": np.array([0, 1, 0])}
    schema = learned(network(), columns, nominals=("x", "Y"))
    assert vector(schema).variables == (Nominal(name="X", levels=("2", "10")),)
    assert schema.targets[0].target.kind == "nominal"


def test_the_input_layer_may_name_nominals_too() -> None:
    columns = {"x": np.array([2, 10]), "y": np.array([0.0, 1.0])}
    schema = learned(network(source=Input(nominals=("x",))), columns)
    assert vector(schema).variables == (Nominal(name="x", levels=("2", "10")),)


def test_requested_names_are_found_in_any_case() -> None:
    request = SchemaRequest(inputs=("X",), target=("Y",))
    schema = learn_schema(request, network(), [{**TABLE}], BuildOptions())
    assert schema.columns == ("x", "y")


@pytest.mark.parametrize(
    ("rule", "replacement", "used"), [("MEAN", 2.0, 3), ("MIN", 1.0, 3), ("MAX", 3.0, 3)]
)
def test_missing_inputs_are_replaced_by_the_rule(rule: str, replacement: float, used: int) -> None:
    schema = learned(network(), TABLE, missing=rule)
    assert (interval(schema).missing, schema.rows_used) == (replacement, used)


def test_missing_inputs_drop_the_row_under_the_rule_none() -> None:
    # the second row goes, and with it the level yes and the missing colour
    columns = {**TABLE, "y": objects("no", "maybe", "yes")}
    schema = learned(network(), columns, missing="NONE")

    assert interval(schema).missing is None
    assert vector(schema).variables[1] == Nominal(name="c", levels=("blue", "red"))
    assert schema.targets == (NominalTarget(layer="out", name="y", levels=("no", "yes")),)
    assert (schema.rows_read, schema.rows_used) == (3, 2)


def test_rows_without_a_nominal_target_are_dropped() -> None:
    columns = {"x": np.array([1.0, 2.0, 9.0]), "y": objects("a", "b", None)}
    schema = learned(network(), columns)
    # the replacement is the mean of the used rows: (1 + 2) / 2
    assert (interval(schema).missing, schema.rows_used) == (1.5, 2)


def test_missing_interval_targets_are_replaced_or_dropped() -> None:
    columns = {"x": np.array([1.0, 2.0, 3.0]), "y": np.array([4.0, NAN, 8.0])}

    kept, dropped = learned(network(), columns), learned(network(), columns, target_missing="NONE")

    assert kept.targets == (
        IntervalTarget(layer="out", variables=(Interval(name="y", missing=6.0),)),
    )
    assert (kept.rows_used, dropped.rows_used) == (3, 2)


def test_std_scales_by_mean_and_population_deviation() -> None:
    columns = {"x": np.array([1.0, 2.0, 3.0, 6.0]), "y": np.array([0.0, 2.0, 4.0, 6.0])}
    graph = network(source=Input(std="STD"), output=Output(target_std="STD"))
    schema = learned(graph, columns)

    # x: mean 3, squares 4 + 1 + 0 + 9 = 14, variance 3.5; y: mean 3, squares 20, variance 5
    assert (interval(schema).center, interval(schema).scale) == pytest.approx((3.0, 3.5**0.5))
    target = schema.targets[0]
    assert isinstance(target, IntervalTarget)
    assert (target.variables[0].center, target.variables[0].scale) == pytest.approx((3.0, 5**0.5))


def test_midrange_maps_the_range_to_minus_one_and_one() -> None:
    columns = {"x": np.array([2.0, 3.0, 10.0]), "y": np.array([1.0, 2.0, 3.0])}
    schema = learned(network(source=Input(std="MIDRANGE")), columns)
    # (2 - 6) / 4 = -1 and (10 - 6) / 4 = 1
    assert (interval(schema).center, interval(schema).scale) == (6.0, 4.0)


def test_a_constant_variable_is_only_centred() -> None:
    columns = {"x": np.array([5.0, 5.0]), "y": np.array([1.0, 2.0])}
    for std in ("STD", "MIDRANGE"):
        schema = learned(network(source=Input.model_validate({"std": std})), columns)
        assert (interval(schema).center, interval(schema).scale) == (5.0, 1.0)


def test_levels_of_the_target_follow_the_order_asked_for() -> None:
    columns = {"x": np.zeros(3), "y": np.array([10, 9, 100])}

    def levels(order: str) -> tuple[str, ...]:
        target = learned(network(), columns, nominals=("y",), target_order=order).targets[0]
        assert isinstance(target, NominalTarget)
        return target.levels

    assert levels("ASCENDING") == ("9", "10", "100")
    assert levels("DESCENDING") == ("100", "10", "9")
    assert levels("HASH") == ("10", "9", "100")


def test_batches_are_learned_as_one_table() -> None:
    parts = [{name: column[rows] for name, column in TABLE.items()} for rows in ([0], [1], [2])]
    request = SchemaRequest(inputs=("x", "c"), target=("y",))
    whole = learn_schema(request, network(), [TABLE], BuildOptions())
    assert learn_schema(request, network(), parts, BuildOptions()) == whole


def test_an_image_layer_takes_one_column_of_pictures() -> None:
    columns = {"_image_": objects(b"a", None, b"b"), "y": objects("p", "q", "q")}
    source = Input(n_channels=3, width=8, height=6, channel_order="RGB")
    schema = learned(network(source=source), columns)

    assert schema.inputs == (
        ImageInput(
            layer="data", column="_image_", channels=3, height=6, width=8, channel_order="RGB"
        ),
    )
    assert schema.rows_used == 2
    assert schema.columns == ("_image_", "y")


def test_an_image_layer_takes_one_variable_per_pixel() -> None:
    columns = {f"p{place}": np.arange(2.0) for place in range(4)} | {"y": np.arange(2.0)}
    schema = learned(network(source=Input(n_channels=1, width=2, height=2)), columns)
    assert vector(schema).shape == (1, 2, 2)


Table = dict[str, np.ndarray]
BAD: list[tuple[str, Table, dict[str, Any], str]] = [
    (
        "no rows",
        {"x": np.zeros(0), "y": np.zeros(0)},
        {},
        "the training table has no rows, expected at least one",
    ),
    (
        "only missing",
        {"x": np.full(2, NAN), "y": np.array([1.0, 2.0])},
        {},
        "column 'x' has only missing values",
    ),
    (
        "only missing images",
        {"x": objects(None, None), "y": np.array([1.0, 2.0])},
        {},
        "column 'x' has only missing values",
    ),
    (
        "all dropped",
        {"x": np.array([1.0, NAN]), "z": np.array([NAN, 1.0]), "y": np.array([1.0, 2.0])},
        {"missing": "NONE"},
        (
            "every one of the 2 rows of the training table was dropped for a missing value, "
            "expected at least one complete row"
        ),
    ),
    (
        "one level",
        {"x": np.array([1.0, 2.0]), "y": objects("a", "a")},
        {},
        "target 'y' has one level, 'a', expected at least two",
    ),
    (
        "binary",
        {"x": objects(b"a", b"b"), "y": np.array([1.0, 2.0])},
        {},
        (
            "column 'x' holds binary values but layer 'data' (input) declares no image, expected "
            "nChannels, width and height"
        ),
    ),
    (
        "text and numbers",
        {"x": np.zeros(2), "y": objects("a", "b"), "z": np.zeros(2)},
        {"target": ("y", "z")},
        "got the targets ['y', 'z'], expected one nominal variable or several interval variables",
    ),
    (
        "no target",
        {"x": np.zeros(2)},
        {"target": ()},
        "got no target variables, expected at least one",
    ),
    (
        "no inputs",
        {"y": np.zeros(2)},
        {},
        "got no input variables, expected at least one",
    ),
    (
        "misspelt target",
        {"x": np.zeros(2), "label": np.zeros(2)},
        {"target": ("lable",)},
        "the table has no column 'lable'; did you mean 'label'?",
    ),
    (
        "infinite",
        {"x": np.array([1.0, np.inf]), "y": np.zeros(2)},
        {},
        "column 'x', row 1 got an infinite value, expected a finite number",
    ),
]


@pytest.mark.parametrize(
    ("columns", "request_", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_table_that_cannot_be_learned_is_refused(
    columns: Table, request_: dict[str, Any], message: str
) -> None:
    target = request_.get("target", ("y",))
    assert isinstance(target, tuple)
    rest = {name: value for name, value in request_.items() if name != "target"}
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        learned(network(), columns, target=target, **rest)


def test_a_column_may_not_be_input_and_target() -> None:
    request = SchemaRequest(inputs=("x", "y"), target=("Y",))
    with pytest.raises(
        DataError, match=r"^column 'y' is both an input and a target, expected one of the two$"
    ):
        learn_schema(request, network(), [TABLE], BuildOptions())


def test_no_batches_at_all_are_an_empty_table() -> None:
    request = SchemaRequest(inputs=("x",), target=("y",))
    with pytest.raises(DataError, match=r"^the training table has no rows, expected at least one$"):
        learn_schema(request, network(), [], BuildOptions())


def test_a_batch_that_lacks_a_column_is_refused() -> None:
    request = SchemaRequest(inputs=("x",), target=("y",))
    batches = [TABLE, {"x": np.zeros(1)}]
    with pytest.raises(DataError, match=r"^the table has no column 'y'$"):
        learn_schema(request, network(), batches, BuildOptions())


def test_text_in_a_numeric_column_of_a_later_batch_is_refused() -> None:
    request = SchemaRequest(inputs=("x",), target=("y",))
    batches = [TABLE, {"x": objects("high"), "y": objects("no")}]
    with pytest.raises(DataError, match=r"^column 'x', row 3 got 'high', expected a number$"):
        learn_schema(request, network(), batches, BuildOptions())


def test_an_image_layer_refuses_a_number_of_variables_that_is_not_its_pixels() -> None:
    columns = {"a": np.zeros(2), "b": np.zeros(2), "y": np.zeros(2)}
    with pytest.raises(
        DataError,
        match=r"^layer 'data' \(input\) got 2 variables, expected one column of images or 4 "
        r"variables, one per pixel$",
    ):
        learned(network(source=Input(n_channels=1, width=2, height=2)), columns)


def test_several_task_layers_are_bound_by_name() -> None:
    graph = network().add("second", Output(), ["data"])
    with pytest.raises(
        DataError,
        match=r"^model 'net' has 2 task layers, 'out', 'second'; expected dataSpecs that bind each "
        r"of them$",
    ):
        learned(graph, TABLE)


def test_a_model_without_a_task_layer_is_refused() -> None:
    graph = network().remove("out")
    with pytest.raises(DataError, match=r"^model 'net' has no task layer, expected one$"):
        learned(graph, TABLE)


Build = Callable[[], Output]


@pytest.mark.parametrize(
    ("output", "columns"),
    [
        (lambda: Output(n=2), {"x": np.zeros(3), "y": objects("a", "b", "c")}),
        (lambda: Output(error="ENTROPY"), {"x": np.zeros(2), "y": np.array([1.0, 2.0])}),
        (lambda: Output(error="NORMAL"), {"x": np.zeros(2), "y": objects("a", "b")}),
        (lambda: Output(act="SOFTMAX"), {"x": np.zeros(2), "y": np.array([1.0, 2.0])}),
    ],
    ids=["fewer neurons than levels", "entropy of numbers", "normal of text", "softmax of numbers"],
)
def test_an_output_layer_that_does_not_fit_the_target_is_refused(
    output: Build, columns: Table
) -> None:
    graph = network(output=output())
    schema = learned(graph, columns)
    with pytest.raises(GraphError, match=r"^layer 'out' \(output\) option '(n|error|act)' got "):
        bound_graph(schema, graph)
