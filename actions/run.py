"""The one door to an action, for routes and workers alike."""

from collections.abc import Mapping
from dataclasses import replace

from actions.context import Context
from actions.registry import find
from actions.results import ActionResult, Json
from actions.spelling import Unknown, from_wire


def run_action(
    ctx: Context, name: str, raw: Mapping[str, Json], *, unknown: Unknown = "refuse"
) -> ActionResult:
    """Run an action on parameters as they came over the wire.

    Args:
        ctx: what the action may touch; its messages become those of the answer.
        name: ``set.action``, in any case.
        raw: parameters in the spelling of the wire.
        unknown: whether an unknown parameter is refused, or dropped with a warning.

    Raises:
        UnknownAction: no action is of that name.
        InvalidParameters: a parameter is unknown, missing or out of range.
        NotSupportedError: a parameter is known and not built yet.
    """
    declared = find(name)
    params = from_wire(declared.params, raw, place=declared.name, unknown=unknown, warn=ctx.warn)
    result = declared.body(ctx, params)
    return replace(result, messages=(*ctx.messages, *result.messages))
