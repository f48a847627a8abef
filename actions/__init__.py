"""The declared surface: every action, its parameters, and what it answers.

Importing this package registers all actions and all layer types.
"""

import engine.layers  # noqa: F401 - fills the registry of layer types
from actions import (  # noqa: F401 - register
    astore,
    builtin,
    deeplearn,
    fcmpact,
    image,
    native,
    session,
    sessionprop,
    simple,
    table,
)
from actions.context import Context
from actions.registry import ACTIONS
from actions.run import run_action

__all__ = ["ACTIONS", "Context", "run_action"]
