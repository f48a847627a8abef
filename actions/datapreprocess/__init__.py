"""The action set ``dataPreprocess``: one file an action."""

from actions.datapreprocess import high_cardinality

__all__ = ["high_cardinality"]
