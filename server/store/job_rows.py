"""Rows of jobs: the steps from state to state, and what is read of a row.

Every step is an event of kind ``state``, written in the same transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update

from actions.errors import Conflict, JobFailed, JobNotFound
from actions.job_ports import Job, JobState
from actions.results import Json
from server.store.schema import job_checkpoints, job_events, jobs

Event = tuple[str, Mapping[str, Json]]

LOST_LIMIT = 3
"""Workers that may be lost at a job; the last of them fails it."""


def lose(connection: Connection, row: Row[Any], reason: str, now: datetime) -> None:
    """Queue a job again whose worker is dead, or end it."""
    lost = row.lost + 1
    if row.resumes and (lost < LOST_LIMIT or row.cancel_requested):
        requeue(connection, row, now, lost=lost)
        return
    if row.resumes:
        reason += f"; {lost} workers were lost at this job"
    error = {"code": JobFailed.code, "message": reason, "details": {}}
    end(connection, jobs.c.id == row.id, "failed", now, error=error, lost=lost)


def requeue(connection: Connection, row: Row[Any], now: datetime, *, lost: int) -> None:
    """Queue a running job again; cancel it if it was asked to stop."""
    if row.cancel_requested:
        end(connection, jobs.c.id == row.id, "cancelled", now, lost=lost)
        return
    again = {"state": "queued", "owner": None, "heartbeat": None, "lost": lost}
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(**again))
    append_events(connection, row.id, [state_event("queued")], now)


def end(
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
    append_events(connection, job_id, [state_event(state)], now)
    return True


def append_events(
    connection: Connection, job_id: str, events: Sequence[Event], now: datetime
) -> None:
    """Add events, numbered behind those that are there.

    Raises:
        JobNotFound: there is no such job.
    """
    counted = (
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(events=jobs.c.events + len(events))
        .returning(jobs.c.events)
    )
    last = connection.scalar(counted)
    if last is None:
        raise not_found(job_id)
    if events:
        first = last - len(events) + 1
        connection.execute(
            insert(job_events),
            [
                {"job_id": job_id, "seq": seq, "kind": kind, "time": now, "data": data}
                for seq, (kind, data) in enumerate(events, start=first)
            ],
        )


def state_event(state: JobState) -> Event:
    """Return the event of a step."""
    return "state", {"state": state}


def owned(job_id: str, owner: str) -> ColumnElement[bool]:
    """Return the condition that a job is run by an owner."""
    return and_(jobs.c.id == job_id, jobs.c.owner == owner, jobs.c.state == "running")


def lost_error(connection: Connection, job_id: str, owner: str) -> Conflict:
    """Return what an owner is told that has lost its job."""
    row = row_of(connection, job_id)
    return Conflict(
        f"job {job_id!r} is {row.state} and no longer run by {owner!r}",
        job=job_id,
        state=row.state,
    )


def row_of(
    connection: Connection, job_id: str, user: str | None = None, *, lock: bool = False
) -> Row[object]:
    """Return the row of a job, of one user if that is given.

    Raises:
        JobNotFound: there is none.
    """
    query = select(jobs).where(jobs.c.id == job_id)
    if user is not None:
        query = query.where(jobs.c.user_name == user)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found(job_id)
    return row


def not_found(job_id: str) -> JobNotFound:
    """Return what is told where there is no such job."""
    return JobNotFound(f"no job has the id {job_id!r}", job=job_id)


def job_of(row: Row[object]) -> Job:
    """Return the job of a row."""
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
        priority=-row.rank,
        gpu=row.gpu,
        result=row.result,
        error=row.error,
    )
