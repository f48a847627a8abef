"""The facade: one database, and the stores over it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from actions.deeplearn.table_models import TableModels
from actions.job_ports import JobState
from actions.ports import ModelStore, Session
from server.store.call_keys import SqlCallKeys
from server.store.caslibs import SqlCaslibStore, add_public
from server.store.catalogue import Catalogue
from server.store.checkpoints import SqlJobCheckpoint
from server.store.connect import Clock, Database, open_database, utc_now
from server.store.graphs import GraphCache
from server.store.job_counts import count_jobs
from server.store.jobs import SqlJobStore
from server.store.migrations import upgrade
from server.store.models import SqlModelStore
from server.store.sessions import SqlSessionStore
from server.store.staging import GRACE_S, LEASE_S, collect
from server.store.tables import SqlTableStore
from server.store.tokens import SqlTokenStore
from server.store.weights import SqlWeightStore


@dataclass(frozen=True)
class SessionStores:
    """The stores as one session sees them."""

    tables: SqlTableStore
    models: ModelStore
    weights: SqlWeightStore
    caslibs: SqlCaslibStore


@dataclass(frozen=True)
class SqlStores:
    """All stores over one database; safe to share between threads, not between processes.

    Attributes:
        data: folder of the built-in caslibs.
    """

    database: Database
    data: Path
    sessions: SqlSessionStore
    jobs: SqlJobStore
    call_keys: SqlCallKeys
    tokens: SqlTokenStore
    graphs: GraphCache = field(default_factory=GraphCache)

    @classmethod
    def open(
        cls, url: str, *, data: Path, busy_timeout_s: float = 30.0, clock: Clock = utc_now
    ) -> Self:
        """Open a database and bring its tables up to date.

        Args:
            url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
            data: folder of the built-in caslibs.
            busy_timeout_s: how long a transaction waits for the lock of another.
            clock: what the time is; for tests.

        Raises:
            InvalidParameters: the URL is of another kind.
            StoreUnavailable: the database cannot be reached, is none, or is of a later version.
        """
        database = open_database(url, busy_timeout_s=busy_timeout_s, clock=clock)
        upgrade(database)
        add_public(database)
        return cls(
            database,
            data.absolute(),
            SqlSessionStore(database),
            SqlJobStore(database),
            SqlCallKeys(database),
            SqlTokenStore(database),
        )

    def for_session(self, session: Session, *, job_id: str | None = None) -> SessionStores:
        """Return the stores as a session sees them; ``job_id`` is noted with all that is made."""
        caslibs = SqlCaslibStore(self.database, session, self.data)
        catalogue = Catalogue(session, caslibs)
        tables = SqlTableStore(self.database, catalogue, job_id)
        models = SqlModelStore(self.database, catalogue, self.graphs, job_id)
        return SessionStores(
            tables,
            TableModels(models, tables),
            SqlWeightStore(self.database, catalogue, job_id),
            caslibs,
        )

    def checkpoint_of(self, job_id: str, owner: str) -> SqlJobCheckpoint:
        """Return the checkpoint of a job, for the worker that runs it."""
        return SqlJobCheckpoint(self.database, job_id, owner)

    def collect_garbage(self, *, lease_s: float = LEASE_S, grace_s: float = GRACE_S) -> int:
        """Remove what nobody can reach any more and return how many contents went.

        Args:
            lease_s: a staged table without a sign of life for so long is an orphan.
            grace_s: the content of a dropped or replaced table is kept for so long, so that readers
                in the middle of it finish.
        """
        return collect(self.database, lease_s=lease_s, grace_s=grace_s)

    def count_jobs(self) -> dict[JobState, int]:
        """Return the number of jobs of all users in every state."""
        return count_jobs(self.database)

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailable: it gives none.
        """
        self.database.ping()

    def close(self) -> None:
        """Close all connections; doing it again changes nothing."""
        self.database.close()
