"""The action set ``timeData``: one file an action."""

from actions.timedata import time_series

__all__ = ["time_series"]
