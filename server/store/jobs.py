"""Jobs of all sessions, and what they report.

States move forward: queued, running, then done, failed or cancelled. A running job whose action can
go on from a checkpoint goes back to queued when its worker is lost or hands it back. Every step is
an event of kind ``state``, written in the same transaction.
"""

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from secrets import token_hex

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from actions.errors import InvalidParameters
from actions.job_ports import FINAL_STATES, PLAIN, Job, JobEvent, JobState, Terms
from actions.ports import Session
from actions.results import Json
from server.store.call_keys import job_of_key
from server.store.connect import Database
from server.store.job_rows import (
    Event,
    append_events,
    end,
    job_of,
    lose,
    lost_error,
    owned,
    requeue,
    row_of,
    state_event,
)
from server.store.queue import next_jobs, turn_in
from server.store.schema import job_events, jobs

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
        terms: Terms = PLAIN,
    ) -> Job:
        """Record a job.

        Args:
            action: what to run.
            params: in the spelling of the wire.
            session: whose tables the job sees.
            resumes: the action can go on from a checkpoint.
            terms: how it is queued.

        Raises:
            KeyReused: the key of the terms belongs to another call.
        """
        with self._database.write() as connection:
            now = self._database.now()
            job_id = token_hex(_ID_BYTES)
            if terms.key is not None:
                first = job_of_key(self._database, connection, session.user, terms.key, job_id)
                if first != job_id:
                    return job_of(row_of(connection, first))
            rank = -(session.priority if terms.priority is None else terms.priority)
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
                    rank=rank,
                    turn=turn_in(connection, session.id, rank),
                    gpu=terms.gpu,
                )
            )
            append_events(connection, job_id, [state_event("queued")], now)
            return job_of(row_of(connection, job_id))

    def claim(self, owner: str, *, gpu: bool = True) -> Job | None:
        """Take the next queued job, or None; two workers never get the same one.

        Args:
            owner: the worker.
            gpu: whether the worker may take jobs that need a graphics processor.
        """
        following = next_jobs(gpu=gpu)
        with self._database.read() as connection:
            if connection.scalar(following) is None:
                return None
        with self._database.write() as connection:
            job_id: str | None = connection.scalar(following.with_for_update(skip_locked=True))
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
            append_events(connection, job_id, [state_event("running")], now)
            return job_of(row_of(connection, job_id))

    def beat(self, job_id: str, owner: str) -> bool:
        """Renew the lease and return whether a cancel was asked for.

        Raises:
            JobNotFound: there is no such job.
            Conflict: the job is no longer this owner's.
        """
        with self._database.write(relaxed=True) as connection:
            beaten = (
                update(jobs)
                .where(owned(job_id, owner))
                .values(heartbeat=self._database.now())
                .returning(jobs.c.cancel_requested)
            )
            row = connection.execute(beaten).first()
            if row is None:
                raise lost_error(connection, job_id, owner)
            return bool(row.cancel_requested)

    def append(self, job_id: str, events: Sequence[Event]) -> None:
        """Add events, numbered in the order of arrival.

        Raises:
            JobNotFound: there is no such job.
        """
        with self._database.write(relaxed=True) as connection:
            append_events(connection, job_id, events, self._database.now())

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
            ended = end(connection, owned(job_id, owner), state, self._database.now(), **values)
            if not ended:
                raise lost_error(connection, job_id, owner)

    def find(self, job_id: str, user: str) -> Job:
        """Return a job of the user.

        Raises:
            JobNotFound: there is none, or it belongs to somebody else.
        """
        with self._database.read() as connection:
            return job_of(row_of(connection, job_id, user))

    def list(self, user: str, *, limit: int = 100, before: str | None = None) -> builtins.list[Job]:
        """Return a user's jobs, the latest first, from the one after ``before`` on.

        Raises:
            JobNotFound: ``before`` is no job of the user.
        """
        query = select(jobs).where(jobs.c.user_name == user)
        with self._database.read() as connection:
            if before is not None:
                query = query.where(jobs.c.number < row_of(connection, before, user).number)
            rows = connection.execute(query.order_by(jobs.c.number.desc()).limit(limit))
            return [job_of(row) for row in rows]

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
            row = row_of(connection, job_id, user, lock=True)
            cancel(connection, [row.id], self._database.now())
            return job_of(row_of(connection, job_id))

    def hand_back(self, job_id: str, owner: str) -> Job:
        """Queue a running job again, for its last checkpoint to be taken up; cancel it if asked to.

        Raises:
            JobNotFound: there is no such job.
            Conflict: the job is no longer this owner's.
        """
        with self._database.write() as connection:
            query = select(jobs).where(owned(job_id, owner)).with_for_update()
            row = connection.execute(query).first()
            if row is None:
                raise lost_error(connection, job_id, owner)
            requeue(connection, row, self._database.now(), lost=row.lost)
            return job_of(row_of(connection, job_id))

    def running(self) -> builtins.list[Job]:
        """Return the jobs that run, of all users."""
        query = select(jobs).where(jobs.c.state == "running").order_by(jobs.c.number)
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def recover_owner(self, owner: str, reason: str) -> builtins.list[Job]:
        """Queue the running jobs of an owner that is known to be dead again, or fail them.

        Returns:
            The jobs as they are now.
        """
        return self._recover(jobs.c.owner == owner, reason)

    def recover_silent(self, seen: Job, reason: str) -> builtins.list[Job]:
        """Do the same with a job, unless its owner has beaten since it was seen.

        Returns:
            The job as it is now; nothing where it has gone on.
        """
        unchanged = (jobs.c.owner == seen.owner) & (jobs.c.heartbeat == seen.heartbeat)
        return self._recover((jobs.c.id == seen.id) & unchanged, reason)

    def _recover(self, which: ColumnElement[bool], reason: str) -> builtins.list[Job]:
        query = select(jobs).where(jobs.c.state == "running", which).order_by(jobs.c.number)
        with self._database.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            now = self._database.now()
            rows = connection.execute(query.with_for_update()).all()
            for row in rows:
                lose(connection, row, reason, now)
            return [job_of(row_of(connection, row.id)) for row in rows]


def cancel(connection: Connection, job_ids: Sequence[str], now: datetime) -> None:
    """Ask jobs to stop; queued ones end at once."""
    queued = jobs.c.id.in_(job_ids) & (jobs.c.state == "queued")
    for job_id in list(connection.scalars(select(jobs.c.id).where(queued).with_for_update())):
        end(connection, jobs.c.id == job_id, "cancelled", now, cancel_requested=True)
    running = jobs.c.id.in_(job_ids) & (jobs.c.state == "running")
    connection.execute(update(jobs).where(running).values(cancel_requested=True))
