"""What a parameter class looks like from the wire: its names, and the parts of its types."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.layers.base import Aliases, Negated, Synonyms

NEAREST = 3
"""Suggestions in an error message."""


def camel(name: str) -> str:
    """Return the wire spelling of a field's name: ``n_filters`` becomes ``nFilters``."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def fold(name: str) -> str:
    """Return what two spellings of one name have in common: no case, no underscores."""
    return name.replace("_", "").lower()


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names most like one that is not known, at most three."""
    by_fold = {fold(each): each for each in known}
    return [by_fold[each] for each in get_close_matches(fold(name), by_fold, n=NEAREST, cutoff=0.6)]


@dataclass(frozen=True)
class WireField:
    """A field as one of its wire names reaches it.

    Attributes:
        negated: whether the wire name says the opposite of the boolean field.
    """

    name: str
    info: FieldInfo
    negated: bool = False

    @cached_property
    def shape(self) -> "Shape":
        """The type of the field, taken apart."""
        return take_apart(self.info.annotation, tuple(self.info.metadata))


@lru_cache(maxsize=512)
def wire_fields(model: type[BaseModel]) -> Mapping[str, WireField]:
    """Return every wire name of a class, folded, with the field it reaches."""
    known: dict[str, WireField] = {}
    for name, info in model.model_fields.items():
        known[fold(name)] = WireField(name, info)
        for mark in take_apart(info.annotation, tuple(info.metadata)).marks:
            if isinstance(mark, Aliases | Negated):
                reached = WireField(name, info, isinstance(mark, Negated))
                known.update(dict.fromkeys(map(fold, mark.names), reached))
    return known


def refused(model: type[BaseModel]) -> dict[str, str]:
    """Return the wire names that are known and not built, with the reason."""
    return dict(getattr(model, "later", {}))


@dataclass(frozen=True)
class Shape:
    """A type taken apart.

    Attributes:
        kind: what converts the value: a ``model``, a ``literal``, a ``list`` of one item type, a
            fixed ``tuple``, a ``mapping``, a ``union`` of several, or a ``leaf`` for pydantic.
        type: the bare type.
        items: the members of a union, the items of a list or tuple, the values of a mapping.
        marks: metadata gathered on the way.
        optional: whether ``None`` is a value.
    """

    kind: Literal["model", "literal", "list", "tuple", "mapping", "union", "leaf"]
    type: Any
    items: tuple[Any, ...] = ()
    marks: tuple[Any, ...] = ()
    optional: bool = False

    @property
    def synonyms(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for mark in self.marks:
            if isinstance(mark, Synonyms):
                found.update(mark.values)
        return found


def take_apart(annotation: Any, marks: tuple[Any, ...] = ()) -> Shape:
    """Return the shape of an annotation, through ``Annotated`` and ``| None``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return take_apart(arguments[0], (*marks, *arguments[1:]))
    if origin in (Union, UnionType):
        return _union(arguments, marks)
    if origin is Literal:
        return Shape("literal", annotation, arguments, marks)
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        return Shape("tuple", annotation, arguments, marks)
    if origin in (tuple, list, Sequence):
        return Shape("list", annotation, arguments[:1], marks)
    if origin in (dict, Mapping):
        return Shape("mapping", annotation, arguments[1:], marks)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("model", annotation, (), marks)
    return Shape("leaf", annotation, (), marks)


def _union(arguments: tuple[Any, ...], marks: tuple[Any, ...]) -> Shape:
    members = tuple(each for each in arguments if each is not NoneType)
    optional = len(members) < len(arguments)
    if len(members) == 1:
        only = take_apart(members[0], marks)
        return Shape(only.kind, only.type, only.items, only.marks, optional=True)
    return Shape("union", members, members, marks, optional)


def tags(members: Iterable[Any], discriminator: str) -> dict[str, type[BaseModel]]:
    """Return the classes of a discriminated union by the values of their tag."""
    found: dict[str, type[BaseModel]] = {}
    for member in members:
        model = take_apart(member).type
        for value in take_apart(model.model_fields[discriminator].annotation).items:
            found[value] = model
    return found
