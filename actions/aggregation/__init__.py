"""The action set ``aggregation``: one file an action."""

from actions.aggregation import aggregate

__all__ = ["aggregate"]
