"""What CAS clients are told of parameters: their traps are in the CAS REST dialect, 5.3 and 16."""

from collections.abc import Iterator
from typing import Any

import pytest

from actions import ACTIONS
from actions.reflection import reflected
from actions.registry import find
from tests.actions.house import Run

TYPES = {"string", "boolean", "int32", "int64", "double", "value_list"}


def params(name: str) -> dict[str, dict[str, Any]]:
    listed: Any = reflected(find(name))["params"]
    return {each["name"]: each for each in listed}


def every(facts: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield each list of parameters, however deep it lies."""
    yield facts
    for each in facts:
        yield from every(each.get("parmList", []))
        for variant in each.get("alternatives", []):
            yield from every(variant["parmList"])


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_names_are_identifiers_and_differ_by_more_than_case(name: str) -> None:
    for parameters in every(reflected(ACTIONS[name])["params"]):
        folded = [each["name"].lower() for each in parameters]
        assert len(folded) == len(set(folded))
        assert all(each.isidentifier() for each in folded)
        assert {each["parmType"] for each in parameters} <= TYPES


def test_parameters_say_what_a_table_becomes() -> None:
    fetch, upload, exists = map(params, ("table.fetch", "table.upload", "table.tableExists"))

    assert fetch["table"]["isTableDef"] == 1
    assert upload["casOut"]["isOutTableDef"] == 1
    assert (exists["name"]["isTableName"], exists["caslib"]["isCasLib"]) == (1, 1)
    assert [each["name"] for each in fetch["table"]["parmList"]][:3] == ["name", "caslib", "where"]


def test_other_names_of_a_parameter_are_told_and_are_not_required() -> None:
    added = params("deepLearn.addLayer")

    assert (added["modelTable"]["isRequired"], added["model"]["isRequired"]) == (1, 0)
    assert added["model"]["isTableDef"] == 1


def test_values_and_types_are_told() -> None:
    built, fetch = params("deepLearn.buildModel"), params("table.fetch")

    assert built["type"]["allowedValues"] == ["CNN", "RNN", "DNN"]
    assert built["type"]["default"] == "CNN"
    assert (fetch["from"]["parmType"], fetch["index"]["parmType"]) == ("int64", "boolean")


def test_values_of_a_list_are_told() -> None:
    statistics = params("simple.summary")["subSet"]

    assert statistics["parmType"] == "value_list"
    assert {"MIN", "MAX", "N", "SKEWNESS"} <= set(statistics["allowedValues"])


def test_layer_types_are_alternatives_and_the_input_layer_is_first() -> None:
    layer = params("deepLearn.addLayer")["layer"]

    assert (layer["selector"], layer["alternatives"][0]["name"]) == ("type", "input")
    options = [each["name"] for each in layer["alternatives"][0]["parmList"]]
    assert {"nChannels", "normStds"} <= set(options)


def test_the_variants_of_an_object_are_alternatives() -> None:
    optimizer = params("deepLearn.dlTrain")["optimizer"]
    algorithm = next(each for each in optimizer["parmList"] if each["name"] == "algorithm")

    assert algorithm["selector"] == "method"
    assert "MOMENTUM" in [each["name"] for each in algorithm["alternatives"]]


def test_a_set_is_reflected_with_its_aliases(run: Run) -> None:
    values: Any = run("builtins.reflect", actionSet="deeplearn").values

    assert list(values) == ["0"]
    assert {"dlTrain", "train"} <= {each["name"] for each in values["0"]["actions"]}


def test_one_action_is_reflected_alone(run: Run) -> None:
    for asked in ({"action": "table.fetch"}, {"action": "fetch", "actionSet": "table"}):
        values: Any = run("builtins.reflect", **asked).values
        assert [each["name"] for each in values["0"]["actions"]] == ["fetch"]


def test_without_a_name_all_loaded_sets_are_reflected(run: Run) -> None:
    values: Any = run("builtins.reflect").values

    names = [each["name"] for each in values.values()]
    assert "table" in names
    assert "deepLearn" not in names
