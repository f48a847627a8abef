"""The action set ``sessionProp``: one file an action."""

from actions.sessionprop import get_sess_opt, list_sess_opts, set_sess_opt

__all__ = ["get_sess_opt", "list_sess_opts", "set_sess_opt"]
