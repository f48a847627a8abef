"""The action set ``fcmpact``: one file an action."""

from actions.fcmpact import add_routines

__all__ = ["add_routines"]
