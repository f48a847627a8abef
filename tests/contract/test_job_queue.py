"""Whose job is next, on every database."""

import pytest

from actions.job_ports import Terms
from actions.ports import Session
from server.store import SqlStores


def submit(stores: SqlStores, session: Session, name: str, **terms: int | bool | None) -> None:
    stores.jobs.submit("a.b", {"name": name}, session, terms=Terms(**terms))  # type: ignore[arg-type]


def claimed(stores: SqlStores, count: int, *, gpu: bool = True) -> list[object]:
    found = [stores.jobs.claim(f"worker-{n}", gpu=gpu) for n in range(count)]
    return [None if job is None else job.params["name"] for job in found]


@pytest.fixture
def other(stores: SqlStores) -> Session:
    return stores.sessions.create("bob", "second")


def test_jobs_of_a_higher_priority_come_first(stores: SqlStores, session: Session) -> None:
    submit(stores, session, "low", priority=-1)
    submit(stores, session, "plain")
    submit(stores, session, "high", priority=7)

    assert claimed(stores, 4) == ["high", "plain", "low", None]


def test_a_session_gives_its_jobs_their_priority(
    stores: SqlStores, session: Session, other: Session
) -> None:
    urgent = stores.sessions.change(other.id, "bob", options={"priority": 5})
    submit(stores, session, "plain")
    submit(stores, urgent, "urgent")
    submit(stores, urgent, "own", priority=0)

    (first, *_) = claimed(stores, 1)
    assert (first, stores.jobs.running()[0].priority) == ("urgent", 5)
    assert claimed(stores, 2) == ["plain", "own"]


def test_sessions_of_one_priority_take_turns(
    stores: SqlStores, session: Session, other: Session
) -> None:
    for n in range(4):
        submit(stores, session, f"a{n}")
    for n in range(2):
        submit(stores, other, f"b{n}")

    assert claimed(stores, 6) == ["a0", "b0", "a1", "b1", "a2", "a3"]


def test_a_session_that_comes_late_does_not_wait_behind_a_hundred_jobs(
    stores: SqlStores, session: Session, other: Session
) -> None:
    for n in range(100):
        submit(stores, session, f"a{n}")
    assert claimed(stores, 40)[-1] == "a39"

    submit(stores, other, "b0")
    submit(stores, other, "b1")

    assert claimed(stores, 4) == ["a40", "b0", "a41", "b1"]


def test_a_session_gains_nothing_by_sending_its_jobs_one_by_one(
    stores: SqlStores, session: Session, other: Session
) -> None:
    for n in range(4):
        submit(stores, session, f"a{n}")
    order = []
    for n in range(3):
        submit(stores, other, f"b{n}")
        order += claimed(stores, 2)

    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_job_that_was_interrupted_keeps_its_place(
    stores: SqlStores, session: Session, other: Session
) -> None:
    first = stores.jobs.submit("a.b", {"name": "first"}, session, resumes=True)
    submit(stores, session, "second")
    submit(stores, other, "third")
    assert claimed(stores, 1) == ["first"]

    stores.jobs.hand_back(first.id, "worker-0")

    assert claimed(stores, 3) == ["first", "third", "second"]


def test_a_worker_without_a_graphics_processor_leaves_jobs_that_need_one(
    stores: SqlStores, session: Session
) -> None:
    submit(stores, session, "cuda", gpu=True, priority=1)
    submit(stores, session, "plain")

    assert claimed(stores, 2, gpu=False) == ["plain", None]
    assert claimed(stores, 1) == ["cuda"]
    assert [job.gpu for job in stores.jobs.running()] == [True, False]
