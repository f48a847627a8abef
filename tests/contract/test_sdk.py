"""What the SDK and the server must agree on, though neither imports the other."""

from hypothesis import given
from hypothesis import strategies as st

from actions.errors import ActionError
from actions.fields import camel as server_camel
from actions.job_ports import FINAL_STATES
from castorch._errors import BY_CODE
from castorch._job import FINAL_STATES as CLIENT_FINAL_STATES
from castorch._spelling import camel as client_camel
from engine.errors import EngineError

SERVER_ONLY = {"engine.error", "action.error"}
"""Codes of the roots, which are never raised themselves."""


def every_code(kind: type[EngineError] = EngineError) -> set[str]:
    return {kind.code}.union(*(every_code(child) for child in kind.__subclasses__()))


def test_the_sdk_has_a_class_for_every_code_of_the_server() -> None:
    assert ActionError.code in SERVER_ONLY
    assert set(BY_CODE) == every_code() - SERVER_ONLY


@given(st.from_regex(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*){0,3}", fullmatch=True))
def test_both_spell_names_alike(name: str) -> None:
    assert client_camel(name) == server_camel(name)


def test_both_know_the_same_final_states() -> None:
    assert CLIENT_FINAL_STATES == FINAL_STATES
