import pytest

from server.routes.cas import retrieval
from server.routes.cas.retrieval import Answers


def test_only_the_last_answer_of_a_session_is_kept() -> None:
    answers = Answers()

    answers.keep("s", "table.fetch", b"first")
    answers.await_job("s", "deepLearn.dlTrain", "j1")

    last = answers.last("s")
    assert last is not None
    assert (last.action, last.body, last.job_id) == ("deepLearn.dlTrain", b"", "j1")
    assert answers.last("t") is None


def test_the_oldest_answers_go_when_there_are_too_many_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieval, "BYTES_KEPT", 10)
    answers = Answers()

    answers.keep("a", "x", b"1234")
    answers.keep("b", "x", b"1234")
    answers.keep("c", "x", b"1234")

    assert [answers.last(each) is None for each in "abc"] == [True, False, False]
    answers.keep("d", "x", b"12345678901")
    assert [answers.last(each) is None for each in "abcd"] == [True] * 4


def test_the_oldest_answers_go_when_there_are_too_many_sessions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieval, "SESSIONS_KEPT", 1)
    answers = Answers()

    answers.keep("a", "x", b"")
    answers.keep("b", "x", b"")

    assert (answers.last("a"), answers.last("b") is None) == (None, False)


def test_calls_of_a_session_are_counted() -> None:
    answers = Answers()

    with answers.running("s"), answers.running("s"):
        assert answers.is_running("s")
        assert not answers.is_running("t")
    assert not answers.is_running("s")
