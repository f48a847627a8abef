"""Which workers count as dead."""

from datetime import timedelta

import pytest

from actions.errors import StoreUnavailable
from actions.job_ports import Job
from actions.ports import Session
from server.jobs.leases import Leases
from server.store import SqlStores
from tests.conftest import HandClock


class Seconds:
    """A clock that never goes back, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def leases(stores: SqlStores, clock: HandClock, seconds: Seconds) -> Leases:
    return Leases(stores.jobs, 30.0, 1.0, clock, seconds)


def start(stores: SqlStores, session: Session) -> Job:
    stores.jobs.submit("a.b", {}, session)
    job = stores.jobs.claim("w1")
    assert job is not None
    return job


def recovered(leases: Leases, clock: HandClock, seconds: Seconds, *, after_s: float) -> list[str]:
    """Let time pass on all clocks, and return the states of the jobs that were recovered."""
    clock.advance(after_s)
    seconds.now += after_s
    return [job.state for job in leases.recover()]


def test_a_worker_that_is_silent_for_its_lease_is_dead(
    stores: SqlStores, session: Session, leases: Leases, clock: HandClock, seconds: Seconds
) -> None:
    job = start(stores, session)
    assert leases.recover() == []

    assert recovered(leases, clock, seconds, after_s=29.9) == []
    assert recovered(leases, clock, seconds, after_s=0.1) == ["failed"]

    error = stores.jobs.find(job.id, "ann").error
    assert error is not None
    assert error["message"] == "the worker 'w1' has not been heard of for 30 s"


def test_a_worker_that_beats_lives(
    stores: SqlStores, session: Session, leases: Leases, clock: HandClock, seconds: Seconds
) -> None:
    job = start(stores, session)

    for _ in range(5):
        assert recovered(leases, clock, seconds, after_s=20) == []
        stores.jobs.beat(job.id, "w1")


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_jump_of_the_clock_kills_nobody(
    stores: SqlStores,
    session: Session,
    leases: Leases,
    clock: HandClock,
    seconds: Seconds,
    jump: timedelta,
) -> None:
    job = start(stores, session)
    assert leases.recover() == []
    clock.moment += jump

    assert recovered(leases, clock, seconds, after_s=4.0) == []
    stores.jobs.beat(job.id, "w1")
    assert recovered(leases, clock, seconds, after_s=4.0) == []


@pytest.mark.parametrize("skew", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_dead_worker_is_found_whatever_its_clock_said(
    stores: SqlStores,
    session: Session,
    leases: Leases,
    clock: HandClock,
    seconds: Seconds,
    skew: timedelta,
) -> None:
    clock.moment += skew
    start(stores, session)
    clock.moment -= skew
    assert leases.recover() == []

    assert recovered(leases, clock, seconds, after_s=30.0) == ["failed"]


def test_a_worker_that_died_long_ago_is_found_after_a_few_heartbeats(
    stores: SqlStores, session: Session, leases: Leases, clock: HandClock, seconds: Seconds
) -> None:
    start(stores, session)
    clock.advance(31)
    assert leases.recover() == []

    assert recovered(leases, clock, seconds, after_s=4.9) == []
    assert recovered(leases, clock, seconds, after_s=0.1) == ["failed"]


def test_time_without_a_database_does_not_count(
    stores: SqlStores,
    session: Session,
    leases: Leases,
    clock: HandClock,
    seconds: Seconds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = start(stores, session)
    assert leases.recover() == []

    def away() -> list[Job]:
        raise StoreUnavailable("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(stores.jobs, "running", away)
        with pytest.raises(StoreUnavailable):
            recovered(leases, clock, seconds, after_s=60.0)

    assert recovered(leases, clock, seconds, after_s=60.0) == []
    stores.jobs.beat(job.id, "w1")
    assert recovered(leases, clock, seconds, after_s=4.0) == []
