"""Names of tables, caslibs and sessions: what is allowed, and what was probably meant."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from actions.errors import InvalidParameters
from engine.graph.spec import fold

LONGEST = 256
"""Characters in a name."""


@dataclass(frozen=True)
class Near:
    """The nearest names, and the end of a sentence that offers them."""

    names: list[str]

    @property
    def hint(self) -> str:
        return f"; did you mean {' or '.join(map(repr, self.names))}?" if self.names else ""


def did_you_mean(name: str, known: Iterable[str]) -> Near:
    """Return up to three known names like the given one, without regard to case."""
    by_folded = {fold(each): each for each in known}
    return Near([by_folded[near] for near in get_close_matches(fold(name), by_folded, n=3)])


def check_name(name: str, place: str) -> None:
    """Refuse a name that cannot be stored or shown.

    Raises:
        InvalidParameters: it is blank, too long, or has a character that cannot be printed.
    """
    if not name.strip() or len(name) > LONGEST or not name.isprintable():
        raise InvalidParameters(
            f"{place} got {name!r}, expected 1 to {LONGEST} printable characters", got=name
        )
