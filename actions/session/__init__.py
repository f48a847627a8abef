"""The action set ``session``: one file an action."""

from actions.session import (
    end_session,
    list_sessions,
    metrics,
    session_id,
    session_name,
    session_status,
    set_caslib,
    set_locale,
    timeout,
)

__all__ = [
    "end_session",
    "list_sessions",
    "metrics",
    "session_id",
    "session_name",
    "session_status",
    "set_caslib",
    "set_locale",
    "timeout",
]
