"""Attributes of tables, and what they carry from a weight table to a table of its numbers."""

import pytest

from actions.context import Context
from actions.errors import ActionError, InvalidFile, InvalidParameters
from actions.extended import attributes_of
from actions.ports import Name
from engine.errors import EngineError, NotSupportedError, WeightsError
from tests.actions.house import SMALL_DNN, Run, build, put, rows_of


@pytest.fixture(autouse=True)
def points(ctx: Context) -> None:
    put(ctx, "t", {"x": [0.0, 1.0, 2.0, 3.0], "y": ["a", "a", "b", "b"]})


def told(ctx: Context, table: str = "t") -> dict[str, dict[str, str]]:
    sets = attributes_of(ctx.tables.find(Name(table)))
    return {name: {key: each.text for key, each in sets[name].items()} for name in sets}


def test_attributes_are_added_changed_and_dropped(run: Run, ctx: Context) -> None:
    some = [{"key": "unit", "value": "m"}, {"key": "count", "value": 3}]
    run("table.attribute", name="T", task="add", set="facts", attributes=some)
    run(
        "table.attribute",
        name="t",
        task="update",
        set="facts",
        attributes={"key": "unit", "value": "km"},
    )
    assert told(ctx) == {"facts": {"unit": "km", "count": "3"}}

    run("table.attribute", name="t", task="drop", set="FACTS", attributes={"key": "count"})
    assert told(ctx) == {"facts": {"unit": "km"}}
    run("table.attribute", name="t", task="drop", set="facts")
    assert told(ctx) == {}


def test_attributes_go_from_table_to_table(run: Run, ctx: Context) -> None:
    run("table.attribute", name="t", set="facts", attributes={"key": "unit", "value": 0.5})

    answer = run("table.attribute", name="t", task="convert", attrTable="kept")
    run("table.partition", table={"name": "t", "where": "x > 1"}, casOut="u")
    run("table.attribute", name="u", task="ADD", attrTable="kept")

    assert answer.values == {"caslib": "CASUSER", "tableName": "kept"}
    assert [row["_index_"] for row in rows_of(ctx, "kept")] == [1]
    assert told(ctx, "u") == {"facts": {"unit": "0.5"}}


def test_a_copy_and_a_changed_table_keep_them(run: Run, ctx: Context) -> None:
    run("table.attribute", name="t", set="facts", attributes={"key": "unit", "value": "m"})

    run("table.copyTable", table="t", casOut="u")
    run("table.alterTable", name="t", drop="y")

    assert told(ctx, "u") == told(ctx, "t") == {"facts": {"unit": "m"}}


BAD: list[tuple[dict[str, object], type[ActionError | EngineError], str]] = [
    ({"task": "convert"}, InvalidParameters, "parameter 'attrTable' got no value, which task 'CO"),
    (
        {"task": "add", "set": "s"},
        InvalidParameters,
        "parameter 'attrTable' or 'set' and 'attributes' got no value, which task 'ADD' needs",
    ),
    (
        {"set": "s", "attributes": {"key": "k"}},
        InvalidParameters,
        "parameter 'attributes.value' got no value, which task 'ADD' needs",
    ),
    ({"task": "drop"}, InvalidParameters, "parameter 'set' got no value, which task 'DROP' needs"),
    (
        {"task": "drop", "set": "s"},
        InvalidParameters,
        "the table 't' has no set of attributes 's', expected one of facts",
    ),
    (
        {"task": "drop", "set": "facts", "attributes": {"key": "k"}},
        InvalidParameters,
        "set 'facts' of the table 't' has no attribute 'k', expected one of unit",
    ),
    (
        {"attrTable": "text"},
        InvalidParameters,
        "parameter 'attrTable' got 'text', in which column 'Attributes' is string, expected",
    ),
    ({"attrTable": "bytes"}, InvalidFile, "the attributes end at 1 bytes, expected 10 from 0 on"),
    (
        {"task": "export"},
        NotSupportedError,
        "parameter 'task' got 'EXPORT', which is not supported yet; expected 'CONVERT'",
    ),
]


@pytest.mark.parametrize(("raw", "error", "message"), BAD)
def test_what_is_wrong_changes_nothing(
    run: Run, ctx: Context, raw: dict[str, object], error: type[Exception], message: str
) -> None:
    run("table.attribute", name="t", set="facts", attributes={"key": "unit", "value": "m"})
    put(ctx, "text", {"Attributes": ["x"]})
    put(ctx, "bytes", {"Attributes": [b"x"]})

    with pytest.raises(error, match=f"^{message}"):
        run("table.attribute", name="t", **raw)
    assert told(ctx) == {"facts": {"unit": "m"}}


def train(run: Run) -> None:
    build(run, SMALL_DNN)
    run(
        "deepLearn.dlTrain",
        table="t",
        model="net",
        modelWeights="w",
        inputs="x",
        target="y",
        optimizer={"maxEpochs": 2, "seed": 3},
    )


def scores(run: Run, ctx: Context, weights: str) -> list[object]:
    run(
        "deepLearn.dlScore",
        table="t",
        model="net",
        initWeights=weights,
        casOut={"name": "scored", "replace": True},
    )
    return [tuple(row.values()) for row in rows_of(ctx, "scored")]


def test_numbers_from_a_file_score_as_the_weights_did_once_they_have_the_attributes(
    run: Run, ctx: Context
) -> None:
    train(run)
    run("table.save", table="w", name="w.sashdat")
    run("table.loadTable", path="w.sashdat", casOut="loaded")
    with pytest.raises(WeightsError, match=r"^weights 'loaded' carry no data schema, expected"):
        scores(run, ctx, "loaded")

    run("table.attribute", name="w", task="CONVERT", attrTable="attr")
    run("table.attribute", name="loaded", task="ADD", attrTable="attr")

    assert scores(run, ctx, "loaded") == scores(run, ctx, "w")
    info = run("deepLearn.modelInfo", model="net", initWeights="loaded").tables["ModelInfo"]
    assert info == run("deepLearn.modelInfo", model="net", initWeights="w").tables["ModelInfo"]


def test_attributes_of_another_version_are_refused(run: Run, ctx: Context) -> None:
    train(run)
    run("table.partition", table={"name": "w", "where": "_LayerID_ >= 0"}, casOut="numbers")
    broken = {"key": "schema", "value": '{"inputs": 7}'}
    run("table.attribute", name="numbers", set="castorch_weights", attributes=broken)

    message = r"^weights 'numbers' hold a data schema this version cannot read; train again$"
    with pytest.raises(WeightsError, match=message):
        scores(run, ctx, "numbers")
