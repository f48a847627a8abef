"""Bearer tokens: shown once, kept as SHA-256, each of a user with a role."""

import builtins
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Literal

from sqlalchemy import delete, insert, select, update

from server.store.connect import Database
from server.store.names import check_name
from server.store.schema import tokens, users

Role = Literal["user", "admin"]

_ANY = select(tokens.c.id).limit(1)

_SECRET_BYTES = 32
_ID_BYTES = 8


@dataclass(frozen=True)
class User:
    """Whom a token belongs to."""

    name: str
    role: Role


@dataclass(frozen=True)
class Token:
    """A token as it is listed, without its secret."""

    id: str
    user: str
    role: Role
    created: datetime


class SqlTokenStore:
    """Users and their tokens.

    A token is 256 random bits, so a plain hash keeps it from being read in the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, user: str, role: Role = "user") -> str:
        """Make a token for a user, who is added or given the role, and return it.

        Raises:
            InvalidParameters: the name is empty, too long or has characters that cannot be shown.
        """
        check_name(user, "the name of a user")
        secret = token_urlsafe(_SECRET_BYTES)
        now = self._database.now()
        with self._database.write() as connection:
            connection.execute(
                self._database.insert_or_keep(users).values(name=user, role=role, created=now)
            )
            connection.execute(update(users).where(users.c.name == user).values(role=role))
            connection.execute(
                insert(tokens).values(
                    id=token_hex(_ID_BYTES), sha256=_hash(secret), user_name=user, created=now
                )
            )
        return secret

    def any(self) -> bool:
        """Return whether there is a token at all."""
        with self._database.read() as connection:
            return connection.execute(_ANY).first() is not None

    def find(self, token: str) -> User | None:
        """Return whose token it is, or None."""
        query = (
            select(users.c.name, users.c.role)
            .join(tokens, tokens.c.user_name == users.c.name)
            .where(tokens.c.sha256 == _hash(token))
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else User(row.name, row.role)

    def user_of(self, token: str) -> str | None:
        """Return the name of the user whose token it is, or None."""
        user = self.find(token)
        return None if user is None else user.name

    def list(self) -> builtins.list[Token]:
        """Return all tokens by user and age, without their secrets."""
        query = (
            select(tokens.c.id, users.c.name, users.c.role, tokens.c.created)
            .join(users, tokens.c.user_name == users.c.name)
            .order_by(users.c.name, tokens.c.created, tokens.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query)
            return [Token(row.id, row.name, row.role, row.created) for row in rows]

    def revoke(self, token_id: str) -> bool:
        """Remove a token and return whether there was one."""
        with self._database.write() as connection:
            gone = connection.execute(delete(tokens).where(tokens.c.id == token_id))
            return gone.rowcount == 1


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
