"""The declared surface: every action, its parameters, and what it answers.

Importing this package registers all actions and all layer types.
"""

import actions.deeplearn  # noqa: F401 - first, as reading tables needs the layouts in it
import engine.layers  # noqa: F401 - fills the registry of layer types
from actions import (  # noqa: F401 - register
    aggregation,
    astore,
    builtin,
    datapreprocess,
    datastep,
    deduplication,
    deeplearn,
    fcmpact,
    fedsql,
    image,
    native,
    percentile,
    sampling,
    session,
    sessionprop,
    simple,
    table,
    timedata,
    transpose,
)
from actions.context import Context
from actions.registry import ACTIONS
from actions.run import run_action

__all__ = ["ACTIONS", "Context", "run_action"]
