"""The action set ``dataPreprocess``: one file an action."""

from actions.datapreprocess import high_cardinality, impute

__all__ = ["high_cardinality", "impute"]
