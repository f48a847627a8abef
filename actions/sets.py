"""Action sets: which there are, and which a session has loaded.

Every action can be called by its full name at any time. What is loaded decides which set is meant
by a name without its set, and what a CAS client believes to be there.
"""

from actions.errors import UnknownAction
from actions.fields import nearest
from actions.ports import Session
from actions.registry import action_sets

PRELOADED = (
    "aggregation",
    "builtins",
    "dataPreprocess",
    "dataStep",
    "deduplication",
    "percentile",
    "sampling",
    "session",
    "sessionProp",
    "simple",
    "table",
    "transpose",
)
"""Sets every session has from its start.

Source: CAS REST dialect, builtins.help (5.2).
"""

LOADED = "actionsets"
"""The session option that keeps what was loaded."""


def find_set(name: str) -> str:
    """Return the spelling of a set's name.

    Raises:
        UnknownAction: there is no set of that name.
    """
    known = {folded: found[0].set_name for folded, found in action_sets().items()}
    if name.lower() not in known:
        near = nearest(name, known.values())
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise UnknownAction(f"no action set is named {name!r}{hint}", nearest=near)
    return known[name.lower()]


def loaded_sets(session: Session) -> tuple[str, ...]:
    """Return the sets a session has loaded, those it started with first."""
    more = session.options.get(LOADED)
    names = (*PRELOADED, *(str(each) for each in (more if isinstance(more, list) else ())))
    known = action_sets()
    return tuple(known[name.lower()][0].set_name for name in names if name.lower() in known)
