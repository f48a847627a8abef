import pytest

from actions import ACTIONS
from actions.errors import UnknownAction
from tests.actions.house import Run


def test_a_ping_is_answered(run: Run) -> None:
    assert run("builtins.ping").tables == {}


def test_about_tells_versions(run: Run) -> None:
    values = run("about").values

    assert values["version"]
    assert isinstance(values["versions"], dict)
    assert {"castorch", "torch", "duckdb"} <= set(values["versions"])


def test_actions_are_listed(run: Run) -> None:
    rows = run("builtins.listActions").tables["Actions"].records()
    assert {row["Name"] for row in rows} == set(ACTIONS)

    some = run("builtins.listActions", actionSet="SESSION").tables["Actions"].records()
    assert {str(row["Name"]).partition(".")[0] for row in some} == {"session"}


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
