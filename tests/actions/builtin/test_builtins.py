import pytest

from actions import ACTIONS, run_action
from actions.errors import UnknownAction
from actions.memory import MemoryStores
from actions.results import ActionResult, Json
from tests.actions.house import Run


def test_a_ping_is_answered(run: Run) -> None:
    assert run("builtins.ping").tables == {}


def test_about_tells_versions(run: Run) -> None:
    values = run("about").values

    assert values["version"]
    assert isinstance(values["versions"], dict)
    assert {"castorch", "torch", "duckdb"} <= set(values["versions"])


def test_actions_are_listed_set_by_set(run: Run) -> None:
    tables = run("builtins.listActions").tables
    listed = {
        f"{name}.{row['name']!s}" for name, table in tables.items() for row in table.records()
    }
    assert listed == set(ACTIONS)

    assert list(run("builtins.listActions", actionSet="SESSION").tables) == ["SESSION"]
    message = r"^no action set is named 'sesion'; did you mean 'session'(?: or '\w+')*\?$"
    with pytest.raises(UnknownAction, match=message):
        run("builtins.listActions", actionSet="sesion")


def test_help_without_a_name_lists_the_sets_that_are_loaded(run: Run) -> None:
    assert "deepLearn" not in run("builtins.help").tables
    assert "fetch" in [row["name"] for row in run("builtins.help").tables["table"].records()]
    assert list(run("builtins.help", actionSet="deeplearn").tables) == ["deepLearn"]


def test_help_lists_the_parameters_of_an_action(run: Run) -> None:
    answer = run("builtins.help", action="deeplearn.buildmodel")

    rows = answer.tables["Parameters"].records()
    assert [(row["Name"], row["Required"], row["Default"]) for row in rows] == [
        ("modelTable", 1, None),
        ("type", 0, "CNN"),
        ("nThreads", 0, None),
    ]
    assert answer.values["name"] == "deepLearn.buildModel"
    with pytest.raises(UnknownAction):
        run("builtins.help", name="nothing")


def test_a_set_is_loaded_once(stores: MemoryStores) -> None:
    def call(action: str, **raw: Json) -> ActionResult:
        return run_action(stores.context(), action, raw)

    assert call("builtins.queryActionSet", actionSet="DeepLearn").values == {"DeepLearn": False}
    first = call("builtins.loadActionSet", actionSet="deeplearn")
    second = call("builtins.loadActionSet", actionSet="deepLearn")

    assert [each.text for each in first.messages] == ["Added action set 'deepLearn'."]
    assert (first.values, second.messages) == ({"actionset": "deepLearn"}, ())
    assert call("builtins.queryActionSet", actionSet="DeepLearn").values == {"DeepLearn": True}
    info = call("builtins.actionSetInfo").tables["setinfo"].records()
    assert {row["actionset"]: row["loaded"] for row in info}["deepLearn"] == 1


def test_a_set_that_was_loaded_is_dropped_and_others_stay(stores: MemoryStores) -> None:
    def call(action: str, **raw: Json) -> ActionResult:
        return run_action(stores.context(), action, raw)

    for name in ("deepLearn", "image"):
        call("builtins.loadActionSet", actionSet=name)

    first = call("builtins.dropActionSet", actionSet="deeplearn")
    second = call("builtins.dropActionSet", actionSet="deeplearn")
    call("builtins.dropActionSet", actionSet="table")

    assert [each.text for each in first.messages] == ["Dropped action set 'deepLearn'."]
    assert (first.values, second.messages) == ({"actionset": "deepLearn"}, ())
    for name, is_loaded in (("deepLearn", False), ("image", True), ("table", True)):
        found = call("builtins.queryActionSet", actionSet=name).values
        assert found == {name: is_loaded}


def test_a_name_is_known_with_and_without_its_set(run: Run) -> None:
    found = {"name": "FETCH", "actionSet": "table", "action": "fetch"}
    assert run("builtins.queryName", name="FETCH").values == found
    assert run("builtins.queryName", name="simple").values.get("action") is None
    assert run("builtins.queryName", name="Table").values == {"name": "Table", "actionSet": "table"}
    assert run("builtins.queryName", name="nothing").values == {"name": "nothing"}


def test_the_caller_and_the_licence_are_told(run: Run) -> None:
    assert run("builtins.userInfo").values["userInfo"]["userId"] == "local"  # type: ignore[index,call-overload]
    assert run("builtins.getLicenseInfo").tables["License"].rows[0][:2] == (
        "castorch",
        "Apache-2.0",
    )
    assert run("builtins.serverStatus").tables["server"].rows == ((1, len(ACTIONS)),)
    assert run("builtins.casCommon").tables == {}
