"""The action set ``castorch``: what CAS has no action for."""

from actions.native import declare_model, summary

__all__ = ["declare_model", "summary"]
