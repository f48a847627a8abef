"""The variables of a program that runs row by row: their kinds, their places, their arrays."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

import pyarrow as pa

from actions.errors import ColumnNotFound, InvalidExpression
from actions.language.meaning import Kind, Meaning, Moment, Typed
from actions.language.nodes import (
    Array,
    Assign,
    Length,
    Loop,
    Name,
    Names,
    Place,
    Retain,
    Span,
    Statement,
    Sum,
    within,
)
from actions.language.rows import Code, Row, RowEmitter
from actions.values import EPOCH_DAYS, EPOCH_SECONDS, kind_of

STEP = "the DATA step"
"""How messages call a DATA step, in which text that is no number is a missing one."""
MOST_ELEMENTS = 10_000
"""Elements of an array."""

_NUMBERED = re.compile(r"(.*?)(\d+)")
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass
class Variable:
    """A variable.

    Attributes:
        slot: its place in a row.
        type: of the column it is read from, None where the program makes it.
        shown: the type of time a format gives it, None where it has none.
        is_raw: whether the row holds what Arrow stores, a whole number, in place of a float; so
            only columns that are passed through keep every digit.
        length: most characters of text; None for no limit.
        is_retained: whether it keeps its value from row to row.
        is_hidden: whether it never is a column of the result.
    """

    name: str
    kind: Kind
    slot: int
    type: pa.DataType | None = None
    shown: pa.DataType | None = None
    is_raw: bool = False
    length: int | None = None
    initial: float | str | None = None
    is_retained: bool = False
    is_hidden: bool = False
    is_read: bool = False

    @property
    def moment(self) -> Moment:
        kind = self.shown if self.shown is not None else self.type
        return moment_of(kind) if kind is not None else ""

    @property
    def missing(self) -> float | str | None:
        return "" if self.kind == "text" else None


def moment_of(kind: pa.DataType) -> Moment:
    """Return which kind of time a column holds."""
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return "datetime"
    return "time" if pa.types.is_time(kind) else ""


class Frame:
    """The variables and arrays of a program; the scope of its expressions."""

    def __init__(self, subject: str, table: str = "the table") -> None:
        self.subject = subject
        self.table = table
        self.variables: dict[str, Variable] = {}
        self.arrays: dict[str, list[Variable]] = {}
        self.meaning: Meaning[Code] = Meaning(
            RowEmitter(), self, subject, is_strict=subject != STEP
        )

    @property
    def emitter(self) -> RowEmitter:
        """What makes code, with the random numbers of the run."""
        assert isinstance(self.meaning.emit, RowEmitter)  # noqa: S101 - made above
        return self.meaning.emit

    def define(self, name: str, kind: Kind) -> Variable:
        """Return the variable of a name, made where there is none."""
        found = self.find(name)
        if found is None:
            found = Variable(name, kind, len(self.variables))
            found.initial = found.missing
            self.variables[name.casefold()] = found
        return found

    def find(self, name: str) -> Variable | None:
        return self.variables.get(name.casefold())

    def column(self, name: str, kind: pa.DataType) -> Variable:
        """Return the variable of a column of a table; columns of one name have to be of one kind.

        Raises:
            InvalidExpression: it holds numbers in one table and text in another.
        """
        found = self.find(name)
        held: Kind = "binary" if kind_of(kind) == "binary" else kind_of(kind)
        if found is None:
            found = self.define(name, held)
            found.type = kind
            return found
        if found.kind != held:
            raise InvalidExpression(
                f"{self.subject} got the variable {name!r} as {found.kind} and as {held}, "
                "expected one of them",
                variable=name,
            )
        if found.type != kind:
            found.type = _common(kind)
        return found

    def new_row(self) -> Row:
        """Return a row in which every variable has its first value."""
        return [each.initial for each in self.variables.values()]

    # the scope of expressions

    def variable(self, name: Name) -> Typed[Code]:
        found = self.find(name.name)
        if found is None:
            self._unknown(name)
        found.is_read = True
        slot = found.slot
        if found.is_raw and found.type is not None:
            return Typed("number", raw_reader(found.type, slot), found.moment)
        return Typed(found.kind, lambda row: row[slot], found.moment)

    def is_array(self, name: str) -> bool:
        return name.casefold() in self.arrays

    def size(self, name: str) -> int:
        return len(self.arrays[name.casefold()])

    def element(self, name: str, place: Place, index: Code) -> Typed[Code]:
        elements = self.arrays[name.casefold()]
        find = self.slot_of(name, place, index)
        codes = [self.variable(Name(place, each.name)).code for each in elements]
        kind: Kind = elements[0].kind if elements else "number"
        by_slot = dict(zip((each.slot for each in elements), codes, strict=True))
        return Typed(kind, lambda row: by_slot[find(row)](row))

    def slot_of(self, name: str, place: Place, index: Code) -> Code:
        """Return code for the place in a row of an element of an array."""
        slots = [each.slot for each in self.arrays[name.casefold()]]

        def find(row: Row) -> int:
            at = index(row)
            if at is None or not 1 <= int(at) <= len(slots):
                raise InvalidExpression(
                    f"{self.subject} at {place} got the element {at} of the array {name!r}, "
                    f"expected 1 to {len(slots)}",
                    line=place.line,
                    column=place.column,
                )
            return slots[int(at) - 1]

        return find

    def expand(self, span: Span) -> Sequence[Name]:
        return [Name(span.place, each.name) for item in span.items for each in self.named(item)]

    def named(self, item: Names, *, make: Kind | None = None) -> list[Variable]:
        """Return the variables that one item of a list stands for.

        Args:
            item: the item.
            make: the kind of variables that are made where there are none; None refuses them.

        Raises:
            ColumnNotFound: there is no such variable.
        """
        shown = [each for each in self.variables.values() if not each.is_hidden]
        match item.kind:
            case "all":
                return shown
            case "numeric":
                return [each for each in shown if each.kind == "number"]
            case "character":
                return [each for each in shown if each.kind == "text"]
            case "array":
                return list(self.arrays.get(item.name.casefold(), ()))
            case "prefix":
                start = item.name.casefold()
                return [each for each in shown if each.name.casefold().startswith(start)]
            case "between":
                return self._between(item, shown)
            case _:
                return [self._one(Name(item.place, name), make) for name in listed(item)]

    def _between(self, item: Names, shown: Sequence[Variable]) -> list[Variable]:
        first = self._one(Name(item.place, item.name), None)
        last = self._one(Name(item.place, item.last), None)
        return [each for each in shown if first.slot <= each.slot <= last.slot]

    def _one(self, name: Name, make: Kind | None) -> Variable:
        found = self.find(name.name)
        if found is None and make is not None:
            return self.define(name.name, make)
        if found is None:
            self._unknown(name)
        return found

    def _unknown(self, name: Name) -> NoReturn:
        names = {each.name.casefold(): each.name for each in self.variables.values()}
        near = [names[n] for n in get_close_matches(name.name.casefold(), names, n=3)]
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ColumnNotFound(
            f"{self.subject} at {name.place} got {name.name!r}, which is neither a column of "
            f"{self.table} nor a variable{hint}",
            column=name.name,
            nearest=near,
            line=name.place.line,
        )

    # definitions

    def define_all(self, statements: Iterable[Statement]) -> None:
        """Make the variables of statements: of lengths, arrays, retained values and assignments."""
        every = within(tuple(statements))
        for each in every:
            self._declare(each)
        waiting = [each for each in every if isinstance(each, Assign)]
        while waiting:
            left = [each for each in waiting if not self._assigned(each)]
            if len(left) == len(waiting):
                self.define(left[0].target.name, "number")
            waiting = left

    def _declare(self, statement: Statement) -> None:
        match statement:
            case Length(names=names, kind=kind, length=length):
                self._lengths(statement, names, kind, length)
            case Array():
                self._array(statement)
            case Retain():
                self._retain(statement)
            case Sum(name=name):
                found = self.define(name, "number")
                found.is_retained = True
                found.initial = 0.0 if found.initial is None else found.initial
            case Loop(name=name) if name:
                self.define(name, "number")
            case _:
                pass

    def _retain(self, statement: Retain) -> None:
        """Keep variables from row to row; without a value it makes none."""
        made: Kind = "text" if isinstance(statement.value, str) else "number"
        for item in statement.names:
            if statement.has_value:
                for each in self.named(item, make=made):
                    each.initial, each.is_retained = statement.value, True
                continue
            for name in listed(item):
                known = self.find(name)
                if known is not None:
                    known.is_retained = True

    def _lengths(
        self, statement: Length, names: Sequence[Names], kind: str, length: int | None
    ) -> None:
        wanted: Kind = "number" if kind == "number" else "binary" if kind == "binary" else "text"
        for item in names:
            for found in self.named(item, make=wanted):
                if found.kind != wanted:
                    self.meaning.fail(
                        statement.place,
                        f"gives {found.name!r} the length of {wanted}, but it holds {found.kind}",
                    )
                found.length = length if wanted == "text" else None

    def _array(self, array: Array) -> None:
        kind: Kind = "text" if array.is_text else "number"
        names = array.names
        if not names:
            size = array.size or len(array.values)
            self._check_size(array, size)
            names = tuple(
                Names(array.place, "name", f"{array.name}{at}") for at in range(1, size + 1)
            )
        found = [each for item in names for each in self.named(item, make=kind)]
        self._check_size(array, len(found))
        if array.size is not None and array.size != len(found):
            self.meaning.fail(
                array.place,
                f"gives the array {array.name!r} {len(found)} elements, expected {array.size}",
            )
        if len({each.kind for each in found}) > 1:
            self.meaning.fail(array.place, f"gives the array {array.name!r} numbers and text")
        for at, each in enumerate(found):
            each.length = array.length if array.is_text and each.type is None else each.length
            if at < len(array.values):
                each.initial, each.is_retained = array.values[at], True
            each.is_hidden = each.is_hidden or array.is_temporary
            each.is_retained = each.is_retained or array.is_temporary
        self.arrays[array.name.casefold()] = found

    def _check_size(self, array: Array, size: int) -> None:
        if not 1 <= size <= MOST_ELEMENTS:
            self.meaning.fail(
                array.place,
                f"gives the array {array.name!r} {size} elements, expected 1 to {MOST_ELEMENTS}",
            )

    def _assigned(self, statement: Assign) -> bool:
        """Make the variable an assignment is to; return whether its kind could be told."""
        target = statement.target
        if not isinstance(target, Name) or self.find(target.name) is not None:
            return True
        try:
            kind = self.meaning.plain(statement.value).kind
        except ColumnNotFound:
            return False
        self.define(target.name, "number" if kind == "truth" else kind)
        return True


def listed(item: Names) -> list[str]:
    """Return the names of an item that names variables one by one.

    Raises:
        InvalidExpression: the ends of a range do not belong together.
    """
    if item.kind != "range":
        return [item.name] if item.kind == "name" else []
    first, last = _NUMBERED.fullmatch(item.name), _NUMBERED.fullmatch(item.last)
    if first is None or last is None or first[1].casefold() != last[1].casefold():
        raise InvalidExpression(
            f"the list of names at {item.place} got {item.name}-{item.last}, expected one such as "
            "x1-x5",
            line=item.place.line,
            column=item.place.column,
        )
    low, high = int(first[2]), int(last[2])
    return [f"{first[1]}{at}" for at in range(low, min(high, low + MOST_ELEMENTS) + 1)]


def _common(other: pa.DataType) -> pa.DataType:
    """Return the type of a column that two tables hold in different types."""
    if kind_of(other) == "number":
        return pa.float64()
    return pa.binary() if kind_of(other) == "binary" else pa.string()


def raw_reader(kind: pa.DataType, slot: int) -> Code:
    """Return code for what Arrow stores of a column, as a number of the dialect."""
    if pa.types.is_date32(kind):
        scale, shift = 1, EPOCH_DAYS
    elif pa.types.is_date64(kind):
        scale, shift = 86_400_000, EPOCH_DAYS
    elif pa.types.is_timestamp(kind):
        scale, shift = _PER_SECOND[kind.unit], EPOCH_SECONDS
    elif pa.types.is_time(kind):
        scale, shift = _PER_SECOND[kind.unit], 0
    else:
        scale, shift = 1, 0

    def read(row: Row) -> float | None:
        value = row[slot]
        return None if value is None else value / scale + shift

    return read
