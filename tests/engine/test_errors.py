import pickle

import pytest

from engine import errors
from engine.errors import EngineError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]
ERRORS = [kind for kind in KINDS if issubclass(kind, EngineError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_survives_the_way_between_processes(kind: type[EngineError]) -> None:
    error = pickle.loads(pickle.dumps(kind("got 1, expected 2", got=1)))  # noqa: S301 - our own

    assert type(error) is kind
    assert (error.message, str(error)) == ("got 1, expected 2", "got 1, expected 2")
    assert error.details == {"got": 1}


def test_codes_tell_errors_apart() -> None:
    codes = [kind.code for kind in ERRORS]

    assert len(set(codes)) == len(codes)


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = errors.__doc__ or ""

    for kind in ERRORS:
        assert f" {kind.__name__} " in drawn.replace("\n", " \n ")
        assert kind is EngineError or kind.code in drawn
