import pickle
from inspect import getdoc, isclass

import pytest

import actions.errors
import engine.errors
from actions.errors import ActionError
from engine.errors import EngineError

CLASSES = [
    each
    for module in (engine.errors, actions.errors)
    for each in vars(module).values()
    if isclass(each) and issubclass(each, EngineError) and each.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_survives_pickling(kind: type[EngineError]) -> None:
    error = kind("layer 'a' got 1, expected 2", layer="a", got=1, nearest=["b"])

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(again) is kind
    assert again.message == str(again) == "layer 'a' got 1, expected 2"
    assert again.details == {"layer": "a", "got": 1, "nearest": ["b"]}


def test_no_two_errors_share_a_code() -> None:
    codes = [each.code for each in CLASSES]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_it_means(kind: type[EngineError]) -> None:
    assert kind.__doc__
    assert getdoc(kind)


@pytest.mark.parametrize("module", [engine.errors, actions.errors])
def test_the_tree_in_the_docstring_is_whole(module: object) -> None:
    tree = getdoc(module) or ""

    for kind in CLASSES:
        if kind.__module__ == module.__name__ and kind not in (EngineError, ActionError):  # type: ignore[attr-defined]
            assert f"{kind.__name__} " in tree
            assert kind.code in tree
