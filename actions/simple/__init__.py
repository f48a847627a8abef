"""The action set ``simple``: one file an action."""

from actions.simple import (
    correlation,
    cross_tab,
    distinct,
    freq,
    group_by,
    group_by_info,
    num_rows,
    summary,
    top_k,
)

__all__ = [
    "correlation",
    "cross_tab",
    "distinct",
    "freq",
    "group_by",
    "group_by_info",
    "num_rows",
    "summary",
    "top_k",
]
