"""What expressions mean: the kind of every value, conversions between kinds, and functions.

The meaning is the same whatever an expression becomes: a walk over its nodes asks an emitter for
code, which is SQL over columns, or Python over the values of one row.

Rules, as in the DATA step: a missing number is below all others and makes arithmetic missing;
comparisons give 1 or 0 and ignore blanks at the end of text; what is neither missing nor 0 is true;
numbers become text, and text numbers, where the other is expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar

from actions.errors import InvalidExpression
from actions.language import formats, moments, numeric, patterns, temporal, textual
from actions.language.functions import FUNCTIONS, Function
from actions.language.nodes import (
    Call,
    Constant,
    Element,
    Expr,
    Format,
    Name,
    Operation,
    Place,
    Span,
)
from engine.errors import NotSupportedError

__all__ = ["Emitter", "Kind", "Meaning", "Scope", "Typed", "to_number"]

LIBRARIES = (formats, numeric, patterns, temporal, textual)
"""Modules that fill the registry of functions."""

Kind = Literal["number", "text", "binary", "truth"]
Moment = Literal["", "date", "datetime", "time"]
T = TypeVar("T")

UNBUILT = (
    "cdf",
    "dosubl",
    "fcopy",
    "fopen",
    "geodist",
    "hashing",
    "md5",
    "open",
    "pdf",
    "quantile",
    "rannor",
    "resolve",
    "sha256",
    "soundex",
    "symget",
    "sysget",
    "vformat",
    "vlabel",
    "vname",
    "yrdif",
)
"""Functions of the dialect that are not run."""

RELATIONS = ("eq", "ne", "lt", "le", "gt", "ge")


@dataclass(frozen=True)
class Typed(Generic[T]):
    """Code, and the kind of value it gives; ``moment``: which kind of time a number is."""

    kind: Kind
    code: T
    moment: Moment = ""


class Emitter(Protocol[T]):
    """Makes code of what an expression means; numbers and text arrive in the kind they must be."""

    def constant(self, value: float | str | None) -> T: ...
    def chain(self, args: Sequence[T], words: Sequence[str]) -> T: ...
    def power(self, base: T, exponent: T) -> T: ...
    def minus(self, value: T) -> T: ...
    def concat(self, args: Sequence[T]) -> T: ...
    def compare(self, word: str, left: T, right: T, *, of_text: bool) -> T: ...
    def within(self, value: T, items: Sequence[T], *, of_text: bool) -> T: ...
    def like(self, value: T, pattern: T) -> T: ...
    def join(self, word: str, args: Sequence[T]) -> T: ...
    def negate(self, value: T) -> T: ...
    def choose(self, condition: T, yes: T, no: T) -> T: ...
    def truth_of(self, value: T) -> T: ...
    def number_of_truth(self, value: T) -> T: ...
    def number_of_text(self, value: T) -> T: ...
    def text_of_number(self, value: T) -> T: ...
    def call(self, found: Function, args: Sequence[Typed[T]]) -> T: ...
    def stateful(self, word: str, args: Sequence[Typed[T]]) -> T:
        """Return code of a function that remembers, such as LAG, or draws a random number."""


class Scope(Protocol[T]):
    """What names mean where an expression stands."""

    def variable(self, name: Name) -> Typed[T]:
        """Return the value of a variable.

        Raises:
            ColumnNotFound: there is none of that name.
        """

    def is_array(self, name: str) -> bool: ...
    def element(self, name: str, place: Place, index: T) -> Typed[T]: ...
    def size(self, name: str) -> int:
        """Return how many elements an array has."""

    def expand(self, span: Span) -> Sequence[Name]:
        """Return the variables that a list of names stands for."""


STATEFUL = {"lag": (1, 1), "dif": (1, 1), "rand": (1, 4), "ranuni": (0, 1), "uniform": (0, 1)}
"""Functions that remember or draw, and how many arguments they take."""


class Meaning(Generic[T]):
    """A walk over expressions that turns them into code."""

    def __init__(
        self, emit: Emitter[T], scope: Scope[T], subject: str, *, is_strict: bool = True
    ) -> None:
        """Begin a walk; if not strict, a constant in quotes that is no number is a missing one."""
        self.is_strict = is_strict
        self.emit = emit
        self.scope = scope
        self.subject = subject

    def fail(self, place: Place, text: str, **details: object) -> NoReturn:
        """Refuse an expression, with its place.

        Raises:
            InvalidExpression: always.
        """
        facts: dict[str, Any] = {"line": place.line, "column": place.column, **details}
        raise InvalidExpression(f"{self.subject} at {place} {text}", **facts)

    def truth(self, expr: Expr) -> T:
        """Return code for whether an expression is true."""
        found = self.value(expr)
        return (
            found.code if found.kind == "truth" else self.emit.truth_of(self._number(found, expr))
        )

    def number(self, expr: Expr) -> T:
        """Return code for an expression as a number."""
        return self._number(self.value(expr), expr)

    def text(self, expr: Expr) -> T:
        """Return code for an expression as text."""
        return self._text(self.value(expr), expr)

    def plain(self, expr: Expr) -> Typed[T]:
        """Return code for an expression as what it is; a truth value is a number."""
        found = self.value(expr)
        if found.kind == "truth":
            return Typed("number", self.emit.number_of_truth(found.code))
        return found

    def value(self, expr: Expr) -> Typed[T]:
        """Return code for an expression in its own kind."""
        match expr:
            case Constant(value=value):
                kind: Kind = "text" if isinstance(value, str) else "number"
                return Typed(kind, self.emit.constant(value))
            case Name():
                return self.scope.variable(expr)
            case Element(place=place, name=name, index=index):
                return self._element(name, place, index)
            case Call():
                return self._call(expr)
            case _:
                return self._operation(expr)

    def _number(self, found: Typed[T], expr: Expr) -> T:
        if found.kind == "binary":
            self.fail(expr.place, "got bytes, expected a number")
        if found.kind == "truth":
            return self.emit.number_of_truth(found.code)
        return self.emit.number_of_text(found.code) if found.kind == "text" else found.code

    def _text(self, found: Typed[T], expr: Expr) -> T:
        if found.kind == "text":
            return found.code
        return self.emit.text_of_number(self._number(found, expr))

    def _element(self, name: str, place: Place, index: Expr) -> Typed[T]:
        if not self.scope.is_array(name):
            self.fail(place, f"got {name!r}, which is no array")
        return self.scope.element(name, place, self.number(index))

    def _operation(self, expr: Operation) -> Typed[T]:
        word, args = expr.word, expr.args
        if word == "chain":
            return Typed("number", self.emit.chain([self.number(a) for a in args], expr.words))
        if word in RELATIONS:
            return self._compare(expr)
        others = {
            "concat": self._concat,
            "and": self._join,
            "or": self._join,
            "not": self._not,
            "in": self._within,
            "like": self._like,
            "case": self._case,
        }
        if word in others:
            return others[word](expr)
        numbers = [self.number(each) for each in args]
        if word == "power":
            return Typed("number", self.emit.power(*numbers))
        return Typed("number", self.emit.minus(numbers[0]) if word == "minus" else numbers[0])

    def _concat(self, expr: Operation) -> Typed[T]:
        return Typed("text", self.emit.concat([self.text(each) for each in expr.args]))

    def _join(self, expr: Operation) -> Typed[T]:
        return Typed("truth", self.emit.join(expr.word, [self.truth(each) for each in expr.args]))

    def _not(self, expr: Operation) -> Typed[T]:
        return Typed("truth", self.emit.negate(self.truth(expr.args[0])))

    def _like(self, expr: Operation) -> Typed[T]:
        value, pattern = expr.args
        return Typed("truth", self.emit.like(self.text(value), self.text(pattern)))

    def _compare(self, expr: Operation) -> Typed[T]:
        left, right = expr.args
        a, b = self.value(left), self.value(right)
        if a.kind == b.kind == "text":
            return Typed("truth", self.emit.compare(expr.word, a.code, b.code, of_text=True))
        x, y = self._against(left, a, b), self._against(right, b, a)
        return Typed("truth", self.emit.compare(expr.word, x, y, of_text=False))

    def _against(self, expr: Expr, found: Typed[T], other: Typed[T]) -> T:
        """Return one side of a comparison of numbers; a constant in quotes has to be one."""
        if not isinstance(expr, Constant) or not isinstance(expr.value, str):
            return self._number(found, expr)
        text = expr.value
        value = to_number(text, other.moment)
        if self.is_strict and value is None and text.strip() not in ("", "."):
            expected = f"a {other.moment}" if other.moment else "a number"
            self.fail(expr.place, f"compares the text {text!r} with a number, expected {expected}")
        return self.emit.constant(value)

    def _within(self, expr: Operation) -> Typed[T]:
        first, *items = expr.args
        value = self.value(first)
        if value.kind == "text":
            codes = [
                self.emit.constant(
                    each.text if isinstance(each.value, float) else str(each.value or "")
                )
                for each in items
                if isinstance(each, Constant)
            ]
            return Typed("truth", self.emit.within(value.code, codes, of_text=True))
        number = Typed[T]("number", self._number(value, first), value.moment)
        codes = [self._against(each, self.value(each), number) for each in items]
        return Typed("truth", self.emit.within(number.code, codes, of_text=False))

    def _case(self, expr: Operation) -> Typed[T]:
        *pairs, last = expr.args
        values = [self.plain(each) for each in (*pairs[1::2], last)]
        is_text = values[0].kind == "text"
        codes = [
            self._text(value, node) if is_text else self._number(value, node)
            for value, node in zip(values, (*pairs[1::2], last), strict=True)
        ]
        if is_text and isinstance(last, Constant) and last.value is None:
            codes[-1] = self.emit.constant("")
        found = codes[-1]
        for condition, code in zip(reversed(pairs[::2]), reversed(codes[:-1]), strict=True):
            found = self.emit.choose(self.truth(condition), code, found)
        return Typed("text" if is_text else "number", found)

    def _call(self, call: Call) -> Typed[T]:
        word, place = call.word, call.place
        if self.scope.is_array(word):
            (index,) = self._exprs(call)
            return self._element(word, place, index)
        if word in ("dim", "hbound", "lbound"):
            return self._bound(call)
        base = word.rstrip("0123456789") if word.startswith(("lag", "dif")) else word
        if base in STATEFUL:
            return self._stateful(call, base)
        args = self._exprs(call)
        if word == "input":
            is_text = len(args) > 1 and formats.is_text_format(str(getattr(args[1], "value", "")))
            word = "inputc" if is_text else "inputn"
        found = FUNCTIONS.get(word)
        if found is None:
            self._unknown(call)
        self._count(call, found.least, found.most, len(args))
        if call.word in ("put", "input"):
            formats.check(str(getattr(args[1], "value", "")), reads=call.word == "input")
        if word in ("prxmatch", "prxchange") and isinstance(args[0], Constant):
            patterns.compiled(str(args[0].value))
        typed = [self._argument(found, at, each) for at, each in enumerate(args)]
        return Typed(self._gives(found, typed), self.emit.call(found, typed))

    def _exprs(self, call: Call) -> list[Expr]:
        """Return the arguments of a call, lists of names taken apart and formats as text."""
        found: list[Expr] = []
        for at, each in enumerate(call.args):
            if isinstance(each, Span):
                found += self.scope.expand(each)
            elif isinstance(each, Format):
                found.append(Constant(each.place, each.text))
            elif call.word in ("put", "input") and at == 1 and isinstance(each, Constant):
                found.append(Constant(each.place, each.text.strip("'\"")))
            else:
                found.append(each)
        return found

    def _argument(self, found: Function, at: int, expr: Expr) -> Typed[T]:
        match found.kind(at):
            case "n":
                return Typed("number", self.number(expr))
            case "t":
                return Typed("text", self.text(expr))
            case _:
                return self.plain(expr)

    def _gives(self, found: Function, args: Sequence[Typed[T]]) -> Kind:
        if found.gives == "like":
            return args[-1].kind
        return found.gives

    def _bound(self, call: Call) -> Typed[T]:
        names = [each.items[0].name for each in call.args if isinstance(each, Span)]
        names += [each.name for each in call.args if isinstance(each, Name)]
        self._count(call, 1, 1, len(names))
        if not self.scope.is_array(names[0]):
            self.fail(call.place, f"got {names[0]!r}, which is no array")
        value = 1 if call.word == "lbound" else self.scope.size(names[0])
        return Typed("number", self.emit.constant(float(value)))

    def _stateful(self, call: Call, base: str) -> Typed[T]:
        args = self._exprs(call)
        self._count(call, *STATEFUL[base], len(args))
        typed = [self.plain(each) for each in args]
        kind: Kind = typed[0].kind if base == "lag" else "number"
        return Typed(kind, self.emit.stateful(call.word, typed))

    def _count(self, call: Call, least: int, most: int | None, got: int) -> None:
        if least <= got and (most is None or got <= most):
            return
        expected = f"{least}" if least == most else f"{least} to {most}"
        expected = f"at least {least}" if most is None else expected
        self.fail(
            call.place, f"calls {call.word!r} with {got} arguments, expected {expected}", got=got
        )

    def _unknown(self, call: Call) -> NoReturn:
        if call.word in UNBUILT:
            raise NotSupportedError(
                f"{self.subject} at {call.place} calls {call.word!r}, which is not supported yet",
                got=call.word,
            )
        near = get_close_matches(call.word, (*FUNCTIONS, *STATEFUL), n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        self.fail(call.place, f"calls {call.word!r}, which is no function{hint}", nearest=near)


def to_number(text: str, moment: Moment = "") -> float | None:
    """Return text as a number, or as a date or a time where it is compared with one."""
    text = text.strip()
    readers = {
        "date": moments.read_date,
        "datetime": moments.read_datetime,
        "time": moments.read_time,
    }
    if moment and (found := readers[moment](text)) is not None:
        return found
    try:
        value = float(text) if "_" not in text else None
    except ValueError:
        return None
    return value if value == value and value not in (float("inf"), float("-inf")) else None
