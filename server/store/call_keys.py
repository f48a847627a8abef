"""Keys by which a call is known when it is sent again.

A call that runs as a job belongs to its job, from the transaction on that records the job. Of any
other call the answer is kept; while there is none, nobody knows whether the call took effect.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from actions.errors import CallUnfinished, KeyReused
from actions.job_ports import CallKey
from actions.results import Json
from server.store.connect import Database
from server.store.schema import call_keys

Answer = Mapping[str, Json]


class SqlCallKeys:
    """The keys of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, user: str, key: CallKey) -> Answer | None:
        """Note that a call begins; return the answer it had when it was sent before, or None.

        Raises:
            KeyReused: the key belongs to another call.
            CallUnfinished: the call began before and has not ended.
        """
        with self._database.write(relaxed=True) as connection:
            if _enter(self._database, connection, user, key):
                return None
            row = _found(connection, user, key)
        if row.answer is None:
            raise CallUnfinished(
                f"the call with the idempotency key {key.text!r} runs, or its server stopped in "
                "the middle; see what it did before it is sent with a new key",
                key=key.text,
            )
        answer: Answer = row.answer
        return answer

    def finish(self, user: str, key: CallKey, answer: Answer) -> None:
        """Keep the answer of a call."""
        with self._database.write(relaxed=True) as connection:
            connection.execute(update(call_keys).where(_is(user, key)).values(answer=answer))

    def forget(self, user: str, key: CallKey) -> None:
        """Forget a call that has changed nothing; sent again, it runs again."""
        with self._database.write(relaxed=True) as connection:
            connection.execute(delete(call_keys).where(_is(user, key)))

    def expire(self, age_s: float) -> int:
        """Forget the keys that are older, and return how many they were."""
        latest = self._database.now() - timedelta(seconds=age_s)
        with self._database.write(relaxed=True) as connection:
            return connection.execute(
                delete(call_keys).where(call_keys.c.created < latest)
            ).rowcount


def job_of_key(
    database: Database, connection: Connection, user: str, key: CallKey, job_id: str
) -> str:
    """Return the job of an earlier call with the key; without one the key is the given job's now.

    Raises:
        KeyReused: the key belongs to another call.
    """
    if _enter(database, connection, user, key, job_id):
        return job_id
    row = _found(connection, user, key)
    first: str = row.job_id
    return first


def _enter(
    database: Database, connection: Connection, user: str, key: CallKey, job_id: str | None = None
) -> bool:
    row = {"user_name": user, "key": key.text, "digest": key.digest, "job_id": job_id}
    entered = database.insert_or_keep(call_keys).values(**row, created=database.now())
    return connection.scalar(entered.returning(call_keys.c.key)) is not None


def _found(connection: Connection, user: str, key: CallKey) -> Row[Any]:
    row = connection.execute(select(call_keys).where(_is(user, key))).one()
    if row.digest != key.digest:
        raise KeyReused(
            f"the idempotency key {key.text!r} got another call than before, expected the same "
            "action, session and body; take a new key",
            key=key.text,
        )
    return row


def _is(user: str, key: CallKey) -> Any:
    return (call_keys.c.user_name == user) & (call_keys.c.key == key.text)
