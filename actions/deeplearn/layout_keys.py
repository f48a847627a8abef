"""How an option of a layer stands in a model table, and what is read back from there.

An entry is one key, or the keys of one list. Options no entry is declared for have rows of their
own form (``actions.deeplearn.layout``).

Source: CAS REST dialect, keys per layer type.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from actions.deeplearn.layout_words import Words
from actions.fields import nearest
from actions.results import Json
from engine.errors import DataError
from engine.layers.base import Layer

Cells = tuple[str, str | None, float | None]
"""Key, text and number of a row."""
Found = dict[str, Json]
"""What was read: options by their Python names."""


class Entry(Protocol):
    """What one key of a model table means."""

    @property
    def key(self) -> str: ...
    @property
    def fields(self) -> tuple[str, ...]:
        """The options it stands for."""

    def rows(self, layer: Layer) -> Iterator[Cells]:
        """Yield the rows of a layer."""

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        """Return what a row says, ``rest`` being its key behind the entry's.

        Raises:
            DataError: it says nothing that is known.
        """


def whole(number: float) -> int | float:
    """Return a number, as int where it is whole."""
    return int(number) if number.is_integer() else number


@dataclass(frozen=True)
class Number:
    """A number; ``unset`` stands for an option that is left out."""

    key: str
    field: str
    unset: float | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def rows(self, layer: Layer) -> Iterator[Cells]:
        value = getattr(layer, self.field)
        number = self.unset if value is None else float(value)
        if number is not None:
            yield self.key, self.key, float(number)

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del rest
        if number is None:
            raise DataError(f"key {self.key!r} got the text {text!r}, expected a number")
        return {} if number == self.unset else {self.field: whole(number)}


@dataclass(frozen=True)
class Flag:
    """A truth value as 1 and 0.

    Attributes:
        opposite: whether 1 means that the option is off.
        spelled: whether the text says it too.
    """

    key: str
    field: str
    opposite: bool = False
    spelled: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def rows(self, layer: Layer) -> Iterator[Cells]:
        is_on = bool(getattr(layer, self.field)) != self.opposite
        yield self.key, str(is_on).lower() if self.spelled else self.key, float(is_on)

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del rest
        if number not in (0, 1):
            got = text if number is None else number
            raise DataError(f"key {self.key!r} got {got!r}, expected 0 or 1")
        return {self.field: bool(number) != self.opposite}


@dataclass(frozen=True)
class Choice:
    """A choice: its description, and its code."""

    key: str
    field: str
    words: Words

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def rows(self, layer: Layer) -> Iterator[Cells]:
        text, code = self.words[getattr(layer, self.field)]
        yield self.key, text, float(code)

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del rest
        return {self.field: chosen(self.words, text, number, f"key {self.key!r}")}


@dataclass(frozen=True)
class Code:
    """A choice of which the table has the code alone.

    Attributes:
        always: whether the default has a row too.
    """

    key: str
    field: str
    codes: Mapping[str, int]
    always: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def rows(self, layer: Layer) -> Iterator[Cells]:
        value = getattr(layer, self.field)
        if self.always or value != type(layer).model_fields[self.field].default:
            yield self.key, self.key, float(self.codes[value])

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del rest
        for value, code in self.codes.items():
            if number == code or (number is None and (text or "").upper() == value):
                return {self.field: value}
        got = text if number is None else whole(number)
        known = ", ".join(f"{code} ({value})" for value, code in self.codes.items())
        raise DataError(f"key {self.key!r} got {got!r}, expected one of {known}")


@dataclass(frozen=True)
class Items:
    """A list of numbers, an item a row."""

    key: str
    field: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def rows(self, layer: Layer) -> Iterator[Cells]:
        for place, value in enumerate(getattr(layer, self.field)):
            yield f"{self.key}.{place}", self.key, float(value)

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del text
        place = rest.removeprefix(".") or "0"
        if number is None or not place.isdecimal():
            raise DataError(f"key {self.key + rest!r} got no number, expected one of a list")
        return {self.field: {place: whole(number)}}


@dataclass(frozen=True)
class Text:
    """A text; empty where the option is left out."""

    key: str
    field: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def rows(self, layer: Layer) -> Iterator[Cells]:
        yield self.key, getattr(layer, self.field) or "", None

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del number, rest
        return {self.field: text} if text else {}


@dataclass(frozen=True)
class Told:
    """A number that follows from several options; what is read goes under its key."""

    key: str
    value: Callable[[Layer], float]
    fields: tuple[str, ...]

    def rows(self, layer: Layer) -> Iterator[Cells]:
        yield self.key, self.key, float(self.value(layer))

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del rest
        if number is None:
            raise DataError(f"key {self.key!r} got the text {text!r}, expected a number")
        return {self.key: whole(number)}


@dataclass(frozen=True)
class Ignored:
    """A key of real tables that changes nothing here; written only with a number to write."""

    key: str
    number: float | None = None
    fields: tuple[str, ...] = ()

    def rows(self, layer: Layer) -> Iterator[Cells]:
        del layer
        if self.number is not None:
            yield self.key, self.key, self.number

    def take(self, text: str | None, number: float | None, rest: str) -> Found:
        del text, number, rest
        return {}


def chosen(words: Words, text: str | None, number: float | None, place: str) -> str:
    """Return the choice that a description names, or else a code.

    Raises:
        DataError: neither is known; the message names the nearest.
    """
    folded = (text or "").strip().casefold()
    for value, (description, _) in words.items():
        if folded and folded in (description.casefold(), value.casefold()):
            return value
    if not folded:
        for value, (_, code) in words.items():
            if number == code:
                return value
    got = text if number is None or text else whole(number)
    known = [description for description, _ in words.values()]
    near = nearest(str(got), known)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise DataError(f"{place} got {got!r}, expected one of {', '.join(known)}{hint}", nearest=near)
