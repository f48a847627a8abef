"""The order of the queue: priorities first, then the sessions in turn.

A job's turn is one behind that of the last queued job of its session and priority, but not before
the first in the queue. So a session that comes late stands beside the first, and of a session with
a hundred jobs one is taken for one of each other session.

Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996, with jobs of one length.
"""

from sqlalchemy import Connection, Select, func, select

from server.store.schema import jobs

QUEUED = jobs.c.state == "queued"


def turn_in(connection: Connection, session_id: str, rank: int) -> int:
    """Return the turn of a new job of a session."""
    alike = select(func.min(jobs.c.turn), func.max(jobs.c.turn)).where(QUEUED, jobs.c.rank == rank)
    first = connection.execute(alike).one()[0]
    last = connection.execute(alike.where(jobs.c.session_id == session_id)).one()[1]
    return max(first or 0, 0 if last is None else last + 1)


def next_jobs(*, gpu: bool) -> Select[str]:
    """Return a query of the id of the job whose turn it is.

    Args:
        gpu: jobs that need a graphics processor count, too.
    """
    order = (jobs.c.rank, jobs.c.turn, jobs.c.number)
    query = select(jobs.c.id).where(QUEUED).order_by(*order).limit(1)
    return query if gpu else query.where(~jobs.c.gpu)
