import pytest

from actions import ACTIONS, run_action
from actions.context import Context
from actions.errors import InvalidParameters, UnknownAction
from actions.params import ActionParams
from actions.registry import action, find
from actions.results import ActionResult, Message
from tests.actions.house import Run, put


def test_an_action_is_found_in_any_case_and_without_its_set() -> None:
    assert find("TABLE.FETCH").name == "table.fetch"
    assert find("dltrain").name == "deepLearn.dlTrain"
    assert find("train").name == "deepLearn.dlTrain"
    assert find("deeplearn.SCORE").name == "deepLearn.dlScore"


def test_an_unknown_action_is_named_with_the_nearest(run: Run) -> None:
    message = r"^no action is named 'table.fetsh'; did you mean 'table.fetch'"
    with pytest.raises(UnknownAction, match=message) as caught:
        run("table.fetsh")
    assert caught.value.details["nearest"][0] == "table.fetch"  # type: ignore[index]
    with pytest.raises(UnknownAction, match=r"^no action is named 'zzzzzzzz'$"):
        run("zzzzzzzz")


def test_a_name_cannot_be_registered_twice() -> None:
    class Nothing(ActionParams):
        """No parameters."""

    def body(ctx: Context, p: Nothing) -> ActionResult:
        del ctx, p
        return ActionResult()

    with pytest.raises(ValueError, match=r"^action 'table.FETCH' is registered twice$"):
        action("table.FETCH")(body)


def test_notes_come_before_the_messages_of_the_answer(ctx: Context) -> None:
    put(ctx, "t", {"a": [1]})
    ctx.note("first")

    answer = run_action(ctx, "table.save", {"table": "t", "name": "t.csv"})

    assert answer.messages == (
        Message("first"),
        Message("The table t was saved as t.csv in caslib CASUSER."),
    )


def test_an_unknown_parameter_is_a_warning_where_the_dialect_wants_it(ctx: Context) -> None:
    answer = run_action(ctx, "builtins.ping", {"sneaky": 1}, unknown="warn")

    assert answer.messages == (Message("parameter 'sneaky' is unknown and was ignored", "warning"),)
    with pytest.raises(InvalidParameters, match=r"^parameter 'sneaky' is unknown, expected one of"):
        run_action(ctx, "builtins.ping", {"sneaky": 1})


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_action_and_parameter_says_what_it_is(name: str) -> None:
    declared = ACTIONS[name]
    assert declared.summary.endswith(".")
    assert not declared.summary.startswith("Parameters")
    for field, info in declared.params.model_fields.items():
        assert info.description, f"{name}: {field}"
