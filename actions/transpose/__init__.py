"""The action set ``transpose``: one file an action."""

from actions.transpose import transpose

__all__ = ["transpose"]
