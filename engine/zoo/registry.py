"""The architectures by name; families fill the registry when they are imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import getdoc, signature
from typing import TypeVar

from engine.errors import GraphError
from engine.graph.spec import Graph

Build = Callable[..., Graph]


@dataclass(frozen=True)
class Architecture:
    """A network of the literature.

    Attributes:
        name: key of the registry, lower case.
        title: as it is called in print.
        build: the function that returns its graph; its keyword parameters are ``choices``.
        source: the paper.
    """

    name: str
    title: str
    build: Build
    source: str

    @cached_property
    def choices(self) -> Mapping[str, object]:
        """What can be chosen, by name, with its default."""
        taken = signature(self.build).parameters.values()
        bound = getattr(self.build, "keywords", {})
        return {
            each.name: each.default
            for each in taken
            if each.kind is each.KEYWORD_ONLY and each.name not in bound
        }

    @property
    def notes(self) -> str:
        """What the function that builds it says of it, in one line."""
        text = getdoc(getattr(self.build, "func", self.build)) or ""
        return " ".join(text.split())


ZOO: dict[str, Architecture] = {}
"""Every architecture by its name, in order of registration."""


def register(name: str, title: str, build: Build, source: str) -> None:
    """Enter an architecture.

    Raises:
        ValueError: the name is taken.
    """
    if name in ZOO:
        raise ValueError(f"architecture {name!r} is registered twice")
    ZOO[name] = Architecture(name, title, build, source)


K = TypeVar("K")
V = TypeVar("V")


def one_of(table: Mapping[K, V], got: K, choice: str) -> V:
    """Return what a table has for a choice of an architecture.

    Raises:
        GraphError: it has nothing for that value.
    """
    if got not in table:
        raise GraphError(
            f"choice {choice!r} of the architecture got {got!r}, expected one of "
            f"{', '.join(map(str, table))}",
            choice=choice,
            got=str(got),
        )
    return table[got]
