"""The registry of functions that conditions and programs may call.

A function is written once, in Python, on one row's values: a number is a float, or None when it is
missing; text is a string. Many have a translation to SQL beside it, which gives the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

Gives = Literal["number", "text", "like"]
Value = Any

LONGEST_TEXT = 1 << 20
"""Characters of a value that a function makes."""


@dataclass(frozen=True)
class Function:
    """A function.

    Attributes:
        takes: the kind of each argument: n for a number, t for text, a for either.
        least: fewest arguments.
        most: most arguments; None for any number, all further ones of the last kind.
        gives: what it returns; ``like``: what its last argument of either kind is.
        sql: its translation, with ``{0}``, ``{1}`` ... for arguments, ``{all}`` for all of them.
    """

    name: str
    run: Callable[..., Value]
    takes: str
    least: int
    most: int | None
    gives: Gives
    sql: str | None = None

    def kind(self, place: int) -> str:
        """Return the kind of the argument at a place, counted from 0."""
        return self.takes[min(place, len(self.takes) - 1)]


FUNCTIONS: dict[str, Function] = {}

Body = Callable[..., Value]


def function(
    names: str, signature: str, gives: Gives, sql: str | None = None
) -> Callable[[Body], Body]:
    """Register a function.

    Args:
        names: its name, and other names after blanks.
        signature: kinds of arguments, such as ``t n? t?``; ``n+``: one or more, ``n*``: any number.
        gives: what it returns.
        sql: its translation.
    """
    takes, least, most = _signature(signature)

    def register(body: Body) -> Body:
        run = guarded(body) if gives == "number" else body
        for name in names.split():
            FUNCTIONS[name] = Function(name, run, takes, least, most, gives, sql)
        return body

    return register


def _signature(signature: str) -> tuple[str, int, int | None]:
    parts = signature.split()
    takes = "".join(part[0] for part in parts) or "n"
    least = sum(1 for part in parts if len(part) == 1 or part[1] == "+")
    is_open = bool(parts) and parts[-1][1:] in ("+", "*")
    return takes, least, None if is_open else len(parts)


def guarded(body: Body) -> Body:
    """Return a function whose result is missing where it has none, or none that is finite."""

    def run(*values: Value) -> float | None:
        try:
            found = body(*values)
        except (ValueError, OverflowError, ZeroDivisionError):
            return None
        if found is None:
            return None
        number = float(found)
        return number if isfinite(number) else None

    return run


def of_number(body: Callable[[float], float | None]) -> Body:
    """Return a function of one number that is missing where the number is."""

    def run(x: float | None) -> float | None:
        return None if x is None else body(x)

    return run


def of_numbers(body: Callable[..., float | None]) -> Body:
    """Return a function of numbers that is missing where one of them is."""

    def run(*values: float | None) -> float | None:
        return None if None in values else body(*values)

    return run


def present(values: tuple[float | None, ...]) -> list[float]:
    """Return the numbers that are not missing."""
    return [value for value in values if value is not None]
