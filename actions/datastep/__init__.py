"""The action set ``dataStep``: one file an action."""

from actions.datastep import run_code

__all__ = ["run_code"]
