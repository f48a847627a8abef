"""Jobs of all sessions, and what they report.

States move forward: queued, running, then done, failed or cancelled. A running job whose action can
go on from a checkpoint goes back to queued when its worker is lost or hands it back. Every step is
an event of kind ``state``, written in the same transaction.
"""

import builtins
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from actions.errors import Conflict, InvalidParameters, JobFailed, JobNotFound
from actions.ports import FINAL_STATES, Job, JobEvent, JobState, Session
from actions.results import Json
from server.store.connect import Database
from server.store.schema import job_checkpoints, job_events, jobs

Event = tuple[str, Mapping[str, Json]]

LOST_LIMIT = 3
"""Workers that may be lost at a job; the last of them fails it."""

_ID_BYTES = 16


class SqlJobStore:
    """Jobs of all sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(
        self,
        action: str,
        params: Mapping[str, Json],
        session: Session,
        *,
        resumes: bool = False,
    ) -> Job:
        """Record a job; it is queued behind those that are there.

        Args:
            action: what to run.
            params: in the spelling of the wire.
            session: whose tables the job sees.
            resumes: the action can go on from a checkpoint.
        """
        with self._database.write() as connection:
            now = self._database.now()
            job_id = token_hex(_ID_BYTES)
            connection.execute(
                insert(jobs).values(
                    id=job_id,
                    action=action,
                    params=params,
                    session_id=session.id,
                    user_name=session.user,
                    state="queued",
                    created=now,
                    cancel_requested=False,
                    attempt=0,
                    events=0,
                    resumes=resumes,
                    lost=0,
                )
            )
            _append(connection, job_id, [_state("queued")], now)
            return _job(_row(connection, job_id))

    def claim(self, owner: str) -> Job | None:
        """Take the oldest queued job, or None; two workers never get the same one."""
        oldest = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)
        with self._database.read() as connection:
            if connection.scalar(oldest) is None:
                return None
        with self._database.write() as connection:
            job_id = connection.scalar(oldest.with_for_update(skip_locked=True))
            if job_id is None:
                return None
            now = self._database.now()
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(
                    state="running",
                    owner=owner,
                    started=func.coalesce(jobs.c.started, now),
                    heartbeat=now,
                    attempt=jobs.c.attempt + 1,
                )
            )
            _append(connection, job_id, [_state("running")], now)
            return _job(_row(connection, job_id))

    def beat(self, job_id: str, owner: str) -> bool:
        """Renew the lease and return whether a cancel was asked for.

        Raises:
            JobNotFound: there is no such job.
            Conflict: the job is no longer this owner's.
        """
        with self._database.write(relaxed=True) as connection:
            beaten = (
                update(jobs)
                .where(_owned(job_id, owner))
                .values(heartbeat=self._database.now())
                .returning(jobs.c.cancel_requested)
            )
            row = connection.execute(beaten).first()
            if row is None:
                raise _lost(connection, job_id, owner)
            return bool(row.cancel_requested)

    def append(self, job_id: str, events: Sequence[Event]) -> None:
        """Add events, numbered in the order of arrival.

        Raises:
            JobNotFound: there is no such job.
        """
        with self._database.write(relaxed=True) as connection:
            _append(connection, job_id, events, self._database.now())

    def finish(
        self,
        job_id: str,
        owner: str,
        state: JobState,
        *,
        result: Mapping[str, Json] | None = None,
        error: Mapping[str, Json] | None = None,
    ) -> None:
        """End a job.

        Raises:
            InvalidParameters: the state is not a final one.
            JobNotFound: there is no such job.
            Conflict: the job is no longer this owner's.
        """
        if state not in FINAL_STATES:
            raise InvalidParameters(
                f"the end of a job got the state {state!r}, "
                "expected 'done', 'failed' or 'cancelled'"
            )
        with self._database.write() as connection:
            values = {"result": result, "error": error}
            ended = _end(connection, _owned(job_id, owner), state, self._database.now(), **values)
            if not ended:
                raise _lost(connection, job_id, owner)

    def find(self, job_id: str, user: str) -> Job:
        """Return a job of the user.

        Raises:
            JobNotFound: there is none, or it belongs to somebody else.
        """
        with self._database.read() as connection:
            return _job(_row(connection, job_id, user))

    def list(self, user: str, *, limit: int = 100, before: str | None = None) -> builtins.list[Job]:
        """Return a user's jobs, the latest first, from the one after ``before`` on.

        Raises:
            JobNotFound: ``before`` is no job of the user.
        """
        query = select(jobs).where(jobs.c.user_name == user)
        with self._database.read() as connection:
            if before is not None:
                query = query.where(jobs.c.number < _row(connection, before, user).number)
            rows = connection.execute(query.order_by(jobs.c.number.desc()).limit(limit))
            return [_job(row) for row in rows]

    def events(
        self, job_id: str, *, after: int = 0, kind: str | None = None, limit: int = 1000
    ) -> builtins.list[JobEvent]:
        """Return what a job reported after the event of seq ``after``, in order."""
        told = job_events.c
        query: Select[tuple[object, ...]] = select(told.seq, told.kind, told.time, told.data)
        query = query.where(told.job_id == job_id, told.seq > after)
        if kind is not None:
            query = query.where(told.kind == kind)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(told.seq).limit(limit))
            return [JobEvent(row.seq, row.kind, row.time, row.data) for row in rows]

    def request_cancel(self, job_id: str, user: str) -> Job:
        """Ask a job to stop; a queued one ends at once, a finished one stays as it is.

        Raises:
            JobNotFound: there is none, or it belongs to somebody else.
        """
        with self._database.write() as connection:
            row = _row(connection, job_id, user, lock=True)
            cancel(connection, [row.id], self._database.now())
            return _job(_row(connection, job_id))

    def hand_back(self, job_id: str, owner: str) -> Job:
        """Queue a running job again, for its last checkpoint to be taken up; cancel it if asked to.

        Raises:
            JobNotFound: there is no such job.
            Conflict: the job is no longer this owner's.
        """
        with self._database.write() as connection:
            query = select(jobs).where(_owned(job_id, owner)).with_for_update()
            row = connection.execute(query).first()
            if row is None:
                raise _lost(connection, job_id, owner)
            _requeue(connection, row, self._database.now(), lost=row.lost)
            return _job(_row(connection, job_id))

    def recover_owner(self, owner: str, reason: str) -> builtins.list[Job]:
        """Queue the running jobs of an owner that is known to be dead again, or fail them.

        Returns:
            The jobs as they are now.
        """
        return self._recover(jobs.c.owner == owner, lambda _: reason)

    def recover_expired(self, lease_s: float) -> builtins.list[Job]:
        """Queue running jobs whose owner has not beaten for longer than the lease, or fail them.

        Returns:
            The jobs as they are now.
        """
        latest = self._database.now() - timedelta(seconds=lease_s)
        return self._recover(
            jobs.c.heartbeat < latest,
            lambda row: f"the worker {row.owner!r} has not been heard of for {lease_s:g} s",
        )

    def _recover(
        self, which: ColumnElement[bool], reason: Callable[[Row[object]], str]
    ) -> builtins.list[Job]:
        query = select(jobs).where(jobs.c.state == "running", which).order_by(jobs.c.number)
        with self._database.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            now = self._database.now()
            rows = connection.execute(query.with_for_update()).all()
            for row in rows:
                _lose(connection, row, reason(row), now)
            return [_job(_row(connection, row.id)) for row in rows]


def cancel(connection: Connection, job_ids: Sequence[str], now: datetime) -> None:
    """Ask jobs to stop; queued ones end at once."""
    queued = jobs.c.id.in_(job_ids) & (jobs.c.state == "queued")
    for job_id in list(connection.scalars(select(jobs.c.id).where(queued).with_for_update())):
        _end(connection, jobs.c.id == job_id, "cancelled", now, cancel_requested=True)
    running = jobs.c.id.in_(job_ids) & (jobs.c.state == "running")
    connection.execute(update(jobs).where(running).values(cancel_requested=True))


def _lose(connection: Connection, row: Row[Any], reason: str, now: datetime) -> None:
    """Queue a job again whose worker is dead, or end it."""
    lost = row.lost + 1
    if row.resumes and (lost < LOST_LIMIT or row.cancel_requested):
        _requeue(connection, row, now, lost=lost)
        return
    if row.resumes:
        reason += f"; {lost} workers were lost at this job"
    error = {"code": JobFailed.code, "message": reason, "details": {}}
    _end(connection, jobs.c.id == row.id, "failed", now, error=error, lost=lost)


def _requeue(connection: Connection, row: Row[Any], now: datetime, *, lost: int) -> None:
    if row.cancel_requested:
        _end(connection, jobs.c.id == row.id, "cancelled", now, lost=lost)
        return
    again = {"state": "queued", "owner": None, "heartbeat": None, "lost": lost}
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(**again))
    _append(connection, row.id, [_state("queued")], now)


def _end(
    connection: Connection,
    which: ColumnElement[bool],
    state: JobState,
    now: datetime,
    **values: object,
) -> bool:
    """Bring the one job that fits to a final state and return whether there was one."""
    ended = (
        update(jobs).where(which).values(state=state, finished=now, **values).returning(jobs.c.id)
    )
    job_id = connection.scalar(ended)
    if job_id is None:
        return False
    connection.execute(delete(job_checkpoints).where(job_checkpoints.c.job_id == job_id))
    _append(connection, job_id, [_state(state)], now)
    return True


def _append(connection: Connection, job_id: str, events: Sequence[Event], now: datetime) -> None:
    counted = (
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(events=jobs.c.events + len(events))
        .returning(jobs.c.events)
    )
    last = connection.scalar(counted)
    if last is None:
        raise _not_found(job_id)
    if events:
        first = last - len(events) + 1
        connection.execute(
            insert(job_events),
            [
                {"job_id": job_id, "seq": seq, "kind": kind, "time": now, "data": data}
                for seq, (kind, data) in enumerate(events, start=first)
            ],
        )


def _state(state: JobState) -> Event:
    return "state", {"state": state}


def _owned(job_id: str, owner: str) -> ColumnElement[bool]:
    return and_(jobs.c.id == job_id, jobs.c.owner == owner, jobs.c.state == "running")


def _lost(connection: Connection, job_id: str, owner: str) -> Conflict:
    row = _row(connection, job_id)
    return Conflict(
        f"job {job_id!r} is {row.state} and no longer run by {owner!r}",
        job=job_id,
        state=row.state,
    )


def _row(
    connection: Connection, job_id: str, user: str | None = None, *, lock: bool = False
) -> Row[object]:
    query = select(jobs).where(jobs.c.id == job_id)
    if user is not None:
        query = query.where(jobs.c.user_name == user)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise _not_found(job_id)
    return row


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"no job has the id {job_id!r}", job=job_id)


def _job(row: Row[object]) -> Job:
    return Job(
        id=row.id,
        action=row.action,
        params=row.params,
        session_id=row.session_id,
        user=row.user_name,
        state=row.state,
        created=row.created,
        started=row.started,
        finished=row.finished,
        owner=row.owner,
        heartbeat=row.heartbeat,
        cancel_requested=row.cancel_requested,
        attempt=row.attempt,
        resumes=row.resumes,
        lost=row.lost,
        result=row.result,
        error=row.error,
    )
