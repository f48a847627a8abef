"""Bringing a database up to date; forward only."""

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy import text as sql

from actions.errors import StoreUnavailable
from server.store.connect import Database

LOG = logging.getLogger(__name__)

HEAD = "0004"
"""The newest revision; a test compares it with the folder."""

_FOLDER = Path(__file__).parent
_LOCK = 0x63617374
"""PostgreSQL advisory lock: one process migrates, the others wait."""


def upgrade(database: Database) -> None:
    """Bring a database up to date, in one transaction; several processes may ask at once.

    Raises:
        StoreUnavailable: the database was made by a later version.
    """
    with database.read() as connection:
        if _revision(connection) == HEAD:
            return
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sql("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = _revision(connection)
        if found != HEAD:
            _migrate(connection, found)
            LOG.info("the database was brought up to date", extra={"from": found, "to": HEAD})


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sql("SELECT version_num FROM alembic_version")).scalar()
    return found


def _migrate(connection: Connection, found: str | None) -> None:
    # most processes find a database that is up to date
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailable(
            f"the database has revision {found!r}, which this version does not know; "
            "use a later version of the server",
            revision=found,
        ) from error
