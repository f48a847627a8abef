"""The action set ``session``: one file an action."""

from actions.session import end_session, list_sessions, session_id, session_name, set_caslib

__all__ = ["end_session", "list_sessions", "session_id", "session_name", "set_caslib"]
