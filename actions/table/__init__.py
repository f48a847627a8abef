"""The action set."""
