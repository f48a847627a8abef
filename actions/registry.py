"""The registry of actions: a name, a parameter class, a function, and where it runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import get_annotations, getdoc
from typing import Literal, TypeVar, cast

from actions.context import Context
from actions.errors import UnknownAction
from actions.params import ActionParams
from actions.results import ActionResult

Runs = Literal["inline", "job"]
Body = Callable[[Context, ActionParams], ActionResult]


@dataclass(frozen=True)
class Action:
    """A declared action.

    Attributes:
        name: ``set.action`` in the spelling of the wire.
        runs: ``inline`` in the server's process, ``job`` in a worker.
        takes_upload: whether the request carries a file.
        resumes: whether a job of it can go on from a checkpoint in another worker.
    """

    name: str
    params: type[ActionParams]
    body: Body
    runs: Runs
    aliases: tuple[str, ...]
    takes_upload: bool
    resumes: bool = False

    @property
    def set_name(self) -> str:
        """The action set it belongs to."""
        return self.name.partition(".")[0]

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (getdoc(self.body) or "").partition("\n")[0]


ACTIONS: dict[str, Action] = {}
"""Every action by its name, in order of registration."""

_BY_FOLDED: dict[str, Action] = {}

P = TypeVar("P", bound=ActionParams)


def action(
    name: str,
    *,
    runs: Runs = "inline",
    aliases: tuple[str, ...] = (),
    takes_upload: bool = False,
    resumes: bool = False,
) -> Callable[[Callable[[Context, P], ActionResult]], Callable[[Context, P], ActionResult]]:
    """Register a function ``(Context, params) -> ActionResult`` as an action.

    The parameter class is read from the annotation of the second argument.

    Raises:
        ValueError: the name or an alias is taken.
    """

    def register(
        body: Callable[[Context, P], ActionResult],
    ) -> Callable[[Context, P], ActionResult]:
        params = list(get_annotations(body).values())[1]
        declared = Action(name, params, cast("Body", body), runs, aliases, takes_upload, resumes)
        for each in (name, *aliases):
            if each.lower() in _BY_FOLDED:
                raise ValueError(f"action {each!r} is registered twice")
            _BY_FOLDED[each.lower()] = declared
        ACTIONS[name] = declared
        return body

    return register


def action_sets() -> dict[str, list[Action]]:
    """Return the actions of every set, the sets by their folded names, in alphabetical order."""
    found: dict[str, list[Action]] = {}
    for each in sorted(ACTIONS.values(), key=lambda declared: declared.name.lower()):
        found.setdefault(each.set_name.lower(), []).append(each)
    return found


def find(name: str, preferred: Iterable[str] = ()) -> Action:
    """Return an action by its name or an alias, without regard to case.

    A name without its set is accepted where only one set has it.

    Args:
        name: ``set.action``, or ``action`` alone.
        preferred: sets that are searched before all others for a name without its set, in order.

    Raises:
        UnknownAction: there is none; the message names the nearest.
    """
    folded = name.lower()
    if "." not in folded:
        for each in preferred:
            if f"{each.lower()}.{folded}" in _BY_FOLDED:
                return _BY_FOLDED[f"{each.lower()}.{folded}"]
        matches = {a.name: a for known, a in _BY_FOLDED.items() if known.endswith("." + folded)}
        if len(matches) == 1:
            return next(iter(matches.values()))
    if folded in _BY_FOLDED:
        return _BY_FOLDED[folded]
    near = [_BY_FOLDED[n].name for n in get_close_matches(folded, _BY_FOLDED, n=3)]
    hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    raise UnknownAction(f"no action is named {name!r}{hint}", action=name, nearest=near)
