from functools import lru_cache
from typing import cast

from actions.context import Context
from actions.params import ActionParams
from actions.reflection import reflected, reflected_set
from actions.registry import action, action_sets, find
from actions.results import ActionResult, Json
from actions.sets import find_set, loaded_sets


class ReflectParams(ActionParams):
    """Parameters of builtins.reflect."""

    action: str | None = None
    """One action; left out: all of the set."""
    action_set: str | None = None
    """The set; left out: that of the action, or the sets that are loaded."""
    levels: int = 1
    """Accepted; all levels are told."""
    show_hidden: bool = False
    """Accepted; nothing is hidden."""
    show_labels: bool = False
    """Accepted; labels are the names."""


@action("builtins.reflect")
def reflect(ctx: Context, p: ReflectParams) -> ActionResult:
    """Return actions with their parameters, as CAS clients read them.

    Raises:
        UnknownAction: there is no such action or set.
    """
    loaded = loaded_sets(ctx.session)
    if p.action is None:
        sets = loaded if p.action_set is None else (find_set(p.action_set),)
        return ActionResult(values={str(at): _set(name) for at, name in enumerate(sets)})
    is_bare = p.action_set is not None and "." not in p.action
    declared = find(f"{p.action_set}.{p.action}" if is_bare else p.action, loaded)
    return ActionResult(values={"0": _described(declared.set_name, [reflected(declared)])})


@lru_cache(maxsize=64)
def _set(name: str) -> Json:
    return _described(name, reflected_set(action_sets()[name.lower()]))


def _described(name: str, actions: list[Json]) -> Json:
    return cast("Json", {"name": name, "label": name, "desc": "", "actions": actions})
