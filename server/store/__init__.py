"""The store: sessions, tables, models, weights and jobs in one SQL database."""

from server.store.connect import Database, open_database
from server.store.stores import SessionStores, SqlStores
from server.store.tokens import Role, Token, User

__all__ = ["Database", "Role", "SessionStores", "SqlStores", "Token", "User", "open_database"]
