"""How many jobs there are."""

from typing import get_args

from sqlalchemy import func, select

from actions.job_ports import JobState
from server.store.connect import Database
from server.store.schema import jobs


def count_jobs(database: Database) -> dict[JobState, int]:
    """Return the number of jobs of all users in every state.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
    with database.read() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in get_args(JobState)}
