"""The action set ``sampling``: one file an action."""

from actions.sampling import srs, stratified

__all__ = ["srs", "stratified"]
