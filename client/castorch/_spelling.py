"""Spelling between Python and the wire: snake_case here, camelCase there, by one rule."""

import re
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, Protocol, runtime_checkable

from castorch._errors import InvalidInput


@runtime_checkable
class Wired(Protocol):
    """Something that knows how it is written on the wire, such as a layer or a table."""

    def to_wire(self) -> Any:
        """Return the JSON value."""


def camel(name: str) -> str:
    """Return a name as it is spelt on the wire: ``n_filters`` becomes ``nFilters``.

    Names that begin or end with an underscore (``_label_`` is a column) stay as they are.
    """
    if name.startswith("_") or name.endswith("_"):
        return name
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def to_wire(value: Any, place: str = "value") -> Any:
    """Return a parameter as a JSON value, the keys of its dictionaries respelt.

    Layers and tables are written as they say themselves; tuples, sets and arrays become lists,
    paths strings, NumPy scalars Python numbers.

    Raises:
        InvalidInput: the value, or one inside it, has no JSON form.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Wired):
        return value.to_wire()
    if isinstance(value, Mapping):
        return {camel(str(k)): to_wire(v, f"{place}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [to_wire(each, f"{place}[{i}]") for i, each in enumerate(value)]
    if isinstance(value, PathLike):
        return fspath(value)
    if callable(getattr(value, "tolist", None)):
        return to_wire(value.tolist(), place)
    raise InvalidInput(
        f"parameter {place!r} got a {type(value).__name__}, expected a value that JSON can hold",
        parameter=place,
        got=type(value).__name__,
    )


def params_to_wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an action as the body of a request; None means not given."""
    return {camel(k): to_wire(v, k) for k, v in params.items() if v is not None}


def snake(name: str) -> str:
    """Return a wire name as Python spells it: ``learningRate`` becomes ``learning_rate``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def snake_keys(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the names of its own members respelt."""
    return {snake(name): each for name, each in value.items()}
