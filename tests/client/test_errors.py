import pickle

import pytest

import castorch._errors as errors
from castorch._errors import BY_CODE, ActionFailed, CastorchError, ShapeError, from_body


def every_class(kind: type[CastorchError] = CastorchError) -> list[type[CastorchError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in every_class(child))]


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[CastorchError]) -> None:
    error = kind("it broke", layer="fc1", message="a detail may be called message")
    error.code = "kept.code"

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is kind
    assert str(copy) == copy.message == "it broke"
    assert copy.details == {"layer": "fc1", "message": "a detail may be called message"}
    assert copy.code == "kept.code"


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_the_docstring_draws_every_class_under_its_parent(kind: type[CastorchError]) -> None:
    drawn = {
        line.split()[0]: len(line) - len(line.lstrip())
        for line in (errors.__doc__ or "").splitlines()
        if line.startswith("    ")
    }
    parents = [parent.__name__ for parent in kind.__mro__[1:] if parent.__name__ in drawn]

    assert kind.__name__ in drawn
    if parents:
        assert drawn[kind.__name__] == drawn[parents[0]] + 2


def test_no_two_classes_share_a_code() -> None:
    codes = [kind.code for kind in every_class()]

    assert len(codes) == len(set(codes))


def test_a_known_code_becomes_its_class() -> None:
    body = {"code": "graph.shape", "message": "layer 'fc1' got ...", "details": {"layer": "fc1"}}

    error = from_body(body, status=400, request_id="r-1")

    assert type(error) is ShapeError
    assert (error.code, error.status, error.request_id) == ("graph.shape", 400, "r-1")
    assert error.details == {"layer": "fc1"}


def test_an_unknown_code_is_kept() -> None:
    error = from_body({"code": "zoo.unknown", "message": "no such animal"})

    assert type(error) is ActionFailed
    assert error.code == "zoo.unknown"
    assert ActionFailed.code == "action.error"


def test_a_body_without_a_message_still_says_something() -> None:
    error = from_body({"code": "zoo.unknown", "details": ["no object"]})

    assert str(error) == "the server answered with the error 'zoo.unknown'"
    assert error.details == {}


def test_every_action_error_is_found_by_its_code() -> None:
    assert BY_CODE["table.not_found"] is errors.TableNotFound
    assert set(BY_CODE.values()) == set(every_class(ActionFailed)) - {ActionFailed}
