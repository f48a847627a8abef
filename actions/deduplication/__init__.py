"""The action set ``deduplication``: one file an action."""

from actions.deduplication import deduplicate

__all__ = ["deduplicate"]
