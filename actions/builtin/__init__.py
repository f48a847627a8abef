"""The action set ``builtins``: one file an action."""

from actions.builtin import about, help, list_actions, ping  # noqa: A004 - the action's name

__all__ = ["about", "help", "list_actions", "ping"]
