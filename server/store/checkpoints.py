"""The last checkpoint of a job, as bytes in parts.

A checkpoint is written part by part in short transactions under the next generation, which the last
transaction makes the job's own and rids of the ones before; a writer that dies half-way leaves the
older one in force.
"""

from sqlalchemy import delete, insert, select, update

from actions.errors import Conflict
from server.store.connect import Database
from server.store.schema import job_checkpoints, jobs

PART_BYTES = 4 << 20
"""Of a checkpoint in one row."""


class SqlJobCheckpoint:
    """The checkpoint of one job, for the worker that runs it."""

    def __init__(self, database: Database, job_id: str, owner: str) -> None:
        self._database = database
        self._job_id = job_id
        self._owner = owner
        self._mine = (jobs.c.id == job_id) & (jobs.c.owner == owner) & (jobs.c.state == "running")

    def load(self) -> bytes | None:
        """Return the last whole checkpoint, or None."""
        parts = job_checkpoints.c
        query = (
            select(parts.body)
            .join(jobs, (parts.job_id == jobs.c.id) & (parts.generation == jobs.c.checkpoint))
            .where(jobs.c.id == self._job_id)
            .order_by(parts.part)
            .execution_options(in_bytes=True)
        )
        with self._database.read() as connection:
            bodies = [bytes(body) for body in connection.scalars(query)]
        return b"".join(bodies) if bodies else None

    def save(self, body: bytes) -> None:
        """Put a checkpoint in the place of the last one.

        Raises:
            Conflict: the job is no longer this owner's.
            StoreFull: the disk is full; the last one stays.
        """
        parts = job_checkpoints.c
        with self._database.write(relaxed=True) as connection:
            last = connection.execute(select(jobs.c.checkpoint).where(self._mine)).first()
            if last is None:
                raise self._lost()
            generation = (last.checkpoint or 0) + 1
            newer = (parts.job_id == self._job_id) & (parts.generation >= generation)
            connection.execute(delete(job_checkpoints).where(newer))  # of a writer that died
        for part, first in enumerate(range(0, len(body), PART_BYTES)):
            with self._database.write(relaxed=True) as connection:
                row = {"job_id": self._job_id, "generation": generation, "part": part}
                piece = body[first : first + PART_BYTES]
                connection.execute(insert(job_checkpoints), [{**row, "body": piece}])
        with self._database.write() as connection:
            mine = update(jobs).where(self._mine).values(checkpoint=generation)
            if connection.scalar(mine.returning(jobs.c.id)) is None:
                raise self._lost()
            older = (parts.job_id == self._job_id) & (parts.generation < generation)
            connection.execute(delete(job_checkpoints).where(older))

    def _lost(self) -> Conflict:
        return Conflict(
            f"job {self._job_id!r} is no longer run by {self._owner!r}", job=self._job_id
        )
