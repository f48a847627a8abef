"""The action set ``fedSql``: one file an action."""

from actions.fedsql import exec_direct

__all__ = ["exec_direct"]
