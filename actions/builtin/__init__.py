"""The action set ``builtins``: one file an action."""

from actions.builtin import (
    about,
    action_set_info,
    cas_common,
    drop_action_set,
    get_license_info,
    help,  # noqa: A004 - the action's name
    list_actions,
    load_action_set,
    ping,
    query_action_set,
    query_name,
    reflect,
    server_status,
    user_info,
)

__all__ = [
    "about",
    "action_set_info",
    "cas_common",
    "drop_action_set",
    "get_license_info",
    "help",
    "list_actions",
    "load_action_set",
    "ping",
    "query_action_set",
    "query_name",
    "reflect",
    "server_status",
    "user_info",
]
