"""Calls that are sent again with their key, on every database."""

import pytest

from actions.errors import CallUnfinished, KeyReused
from actions.job_ports import CallKey, Terms
from actions.ports import Session
from server.store import SqlStores
from tests.conftest import HandClock

KEY = CallKey("k1", "digest of the call")
OTHER = CallKey("k1", "digest of another call")
REUSED = (
    r"^the idempotency key 'k1' got another call than before, expected the same action, session "
    r"and body; take a new key$"
)


def test_a_job_is_recorded_once_for_a_key(stores: SqlStores, session: Session) -> None:
    first = stores.jobs.submit("a.b", {}, session, terms=Terms(key=KEY))
    again = stores.jobs.submit("a.b", {}, session, terms=Terms(key=KEY))

    assert again == first
    assert len(stores.jobs.list("ann")) == 1


def test_keys_of_two_users_are_two_keys(stores: SqlStores, session: Session) -> None:
    other = stores.sessions.create("bob", "his")
    first = stores.jobs.submit("a.b", {}, session, terms=Terms(key=KEY))

    assert stores.jobs.submit("a.b", {}, other, terms=Terms(key=KEY)).id != first.id


def test_a_key_of_another_call_is_refused_and_no_job_is_recorded(
    stores: SqlStores, session: Session
) -> None:
    stores.jobs.submit("a.b", {}, session, terms=Terms(key=KEY))

    with pytest.raises(KeyReused, match=REUSED):
        stores.jobs.submit("a.c", {}, session, terms=Terms(key=OTHER))
    with pytest.raises(KeyReused, match=REUSED):
        stores.call_keys.begin("ann", OTHER)

    assert len(stores.jobs.list("ann")) == 1


def test_a_call_that_has_ended_answers_as_before(stores: SqlStores) -> None:
    assert stores.call_keys.begin("ann", KEY) is None
    stores.call_keys.finish("ann", KEY, {"values": {"n": 1}})

    assert stores.call_keys.begin("ann", KEY) == {"values": {"n": 1}}
    assert stores.call_keys.begin("bob", KEY) is None


def test_a_call_whose_end_is_not_known_is_not_run_again(stores: SqlStores) -> None:
    stores.call_keys.begin("ann", KEY)

    with pytest.raises(
        CallUnfinished,
        match=r"^the call with the idempotency key 'k1' runs, or its server stopped in the middle; "
        r"see what it did before it is sent with a new key$",
    ):
        stores.call_keys.begin("ann", KEY)


def test_a_call_that_failed_may_be_sent_again(stores: SqlStores) -> None:
    stores.call_keys.begin("ann", KEY)
    stores.call_keys.forget("ann", KEY)

    assert stores.call_keys.begin("ann", KEY) is None


def test_keys_are_forgotten_after_their_time(stores: SqlStores, clock: HandClock) -> None:
    stores.call_keys.begin("ann", KEY)
    clock.advance(60)
    stores.call_keys.begin("ann", CallKey("k2", "d"))

    assert stores.call_keys.expire(59) == 1

    assert stores.call_keys.begin("ann", KEY) is None
