from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text  # noqa: TID251 - the tests look below the store

from actions.errors import StoreUnavailable
from server.store import SqlStores, open_database
from server.store.migrations import HEAD, upgrade
from server.store.schema import metadata
from tests.conftest import run_in_postgres, with_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"empty_{uuid4().hex}"
    run_in_postgres(server, f"CREATE DATABASE {name}")
    yield with_database(server, name)
    run_in_postgres(server, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_migrated_database_is_the_declared_schema(empty_url: str) -> None:
    database = open_database(empty_url)
    upgrade(database)

    with database.write() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        difference = compare_metadata(
            MigrationContext.configure(connection, opts=options), metadata
        )
        indexes = {
            index["name"]: str(index.get("dialect_options", {}))
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
        }
    database.close()

    assert difference == []
    partial = {
        str(index.name)
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    assert {name for name in partial if "where" in indexes[name]} == partial


def test_an_up_to_date_database_is_left_alone(empty_url: str) -> None:
    database = open_database(empty_url)
    upgrade(database)
    upgrade(database)

    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            (HEAD,)
        ]
    database.close()


def test_the_newest_revision_is_the_declared_one() -> None:
    config = Config()
    folder = Path(__file__).parents[3] / "server" / "store" / "migrations"
    config.set_main_option("script_location", str(folder))

    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_of_a_later_version_is_refused(empty_url: str) -> None:
    database = open_database(empty_url)
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(
        StoreUnavailable,
        match=r"^the database has revision '9999', which this version does not know; "
        r"use a later version of the server$",
    ):
        upgrade(database)
    database.close()


def test_several_may_open_an_empty_database_at_once(empty_url: str, tmp_path: Path) -> None:
    def opened(_: int) -> str:
        stores = SqlStores.open(empty_url, data=tmp_path)
        session = stores.sessions.default("ann")
        stores.close()
        return session.id

    with ThreadPoolExecutor(6) as pool:
        sessions = set(pool.map(opened, range(6)))

    assert len(sessions) == 1
