"""The action set ``astore``: model files as tables; one file an action."""

from actions.astore import describe, download, score, upload

__all__ = ["describe", "download", "score", "upload"]
