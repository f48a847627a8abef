"""The action set ``percentile``: one file an action."""

from actions.percentile import assess, percentile

__all__ = ["assess", "percentile"]
