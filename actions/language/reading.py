"""Turns the expressions and names the parser finds into nodes, while it reads."""

from collections.abc import Iterable
from typing import Any, cast

from lark import Token, Transformer

from actions.language.moments import moment
from actions.language.nodes import (
    Call,
    Constant,
    Element,
    Expr,
    Format,
    Name,
    Names,
    Operation,
    Place,
    Span,
    Step,
)

MOST_DEPTH = 100
"""Expressions or statements inside one another."""

Found = list[Any]

_WORDS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "EQUALS": "eq",
    "EQ": "eq",
    "NE": "ne",
    "LT": "lt",
    "LE": "le",
    "GT": "gt",
    "GE": "ge",
}
_SPECIAL = {
    "_all_": "all",
    "_numeric_": "numeric",
    "_character_": "character",
    "_char_": "character",
}


class TooDeep(Exception):  # noqa: N818 - never leaves the room
    """More expressions or statements lie inside one another than is allowed."""

    def __init__(self, place: Place) -> None:
        super().__init__(str(place))
        self.place = place


def place_of(token: Token) -> Place:
    """Return where a token begins."""
    return Place(token.line or 1, token.column or 1)


def unquoted(text: str) -> str:
    """Return what stands between quotes."""
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def plain(token: Token) -> str:
    """Return the name a token holds."""
    return unquoted(str(token)[:-1]) if token.type == "NLITERAL" else str(token)


def table_of(token: Token) -> str:
    """Return the name of a table a token holds, quoted or not."""
    return unquoted(str(token)) if token.type == "TEXT" else plain(token)


class Expressions(Transformer[Token, Any]):
    """Builds nodes from the bottom up; every method is named for a rule of the grammar."""

    def _operation(
        self, place: Place, word: str, args: list[Expr], words: tuple[str, ...] = ()
    ) -> Operation:
        return Operation(place, word, tuple(args), words, depth_of(args, place))

    def start(self, found: Found) -> Any:
        return found[0] if len(found) == 1 and not isinstance(found[0], Step) else tuple(found)

    # expressions

    def number(self, found: Found) -> Constant:
        return Constant(place_of(found[0]), float(found[0]), str(found[0]))

    def text(self, found: Found) -> Constant:
        return Constant(place_of(found[0]), unquoted(found[0]), str(found[0]))

    def moment(self, found: Found) -> Constant:
        return Constant(
            place_of(found[0]), moment(str(found[0]), place_of(found[0])), str(found[0])
        )

    def missing(self, found: Found) -> Constant:
        return Constant(place_of(found[0]), None, str(found[0]))

    def name(self, found: Found) -> Name:
        return Name(place_of(found[0]), str(found[0]))

    def literal_name(self, found: Found) -> Name:
        return Name(place_of(found[0]), plain(found[0]))

    def first_last(self, found: Found) -> Name:
        which, _, name = str(found[0]).partition(".")
        name = unquoted(name[:-1]) if name[0] in "'\"" else name
        return Name(place_of(found[0]), f"{which.lower()}.{name}")

    def call(self, found: Found) -> Call:
        args = () if found[1] is None else found[1]
        place = place_of(found[0])
        return Call(place, str(found[0]).lower(), args, depth_of(args, place))

    def element(self, found: Found) -> Element:
        place = place_of(found[0])
        return Element(place, str(found[0]), found[1], depth_of(found[1:], place))

    def target(self, found: Found) -> Name | Element:
        return cast("Name | Element", found[0])

    def case(self, found: Found) -> Operation:
        place = place_of(found[0])
        parts = [each for each in found if each is not None and not isinstance(each, Token)]
        if len(parts) % 2 == 0:
            parts.append(Constant(place, None))
        return self._operation(place, "case", parts)

    def arguments(self, found: Found) -> tuple[Any, ...]:
        return tuple(found)

    def format(self, found: Found) -> Format:
        return Format(place_of(found[0]), str(found[0]).lower())

    def span(self, found: Found) -> Span:
        return Span(place_of(found[0]), found[1])

    def items(self, found: Found) -> list[Constant]:
        return [constant for each in found for constant in each]

    def item(self, found: Found) -> list[Constant]:
        return [signed(found[0], found[1])]

    def span_item(self, found: Found) -> list[Constant]:
        first, last = signed(found[0], found[1]), signed(found[2], found[3])
        if not isinstance(first.value, float) or not isinstance(last.value, float):
            return [first, last]
        whole = range(int(first.value), min(int(last.value), int(first.value) + 10_000) + 1)
        return [Constant(first.place, float(each), str(each)) for each in whole]

    def disjunction(self, found: Found) -> Expr:
        return self._chain(found, "or")

    def conjunction(self, found: Found) -> Expr:
        return self._chain(found, "and")

    def either(self, found: Found) -> Token:
        return cast("Token", found[0])

    both = relation = plus = times = either

    def negation(self, found: Found) -> Expr:
        if len(found) == 1:
            return cast("Expr", found[0])
        return self._operation(place_of(found[0]), "not", [found[1]])

    def comparison(self, found: Found) -> Expr:
        if len(found) == 1:
            return cast("Expr", found[0])
        pairs = [
            self._operation(place_of(sign), _WORDS[sign.type], [left, right])
            for left, sign, right in zip(found[::2], found[1::2], found[2::2], strict=False)
        ]
        if len(pairs) == 1:
            return pairs[0]
        return self._operation(pairs[0].place, "and", list(pairs))

    def within(self, found: Found) -> Expr:
        value, negated, word, items = found
        inside = self._operation(place_of(word), "in", [value, *items])
        return self._unless(negated, inside)

    def between(self, found: Found) -> Expr:
        value, negated, word, low, _, high = found
        place = place_of(word)
        inside = self._operation(
            place,
            "and",
            [
                self._operation(place, "ge", [value, low]),
                self._operation(place, "le", [value, high]),
            ],
        )
        return self._unless(negated, inside)

    def like(self, found: Found) -> Expr:
        value, negated, word, pattern = found
        return self._unless(negated, self._operation(place_of(word), "like", [value, pattern]))

    def contains(self, found: Found) -> Expr:
        value, negated, word, part = found
        place = place_of(word)
        call = Call(place, "index", (value, part))
        zero = Constant(place, 0.0)
        return self._unless(negated, self._operation(place, "gt", [call, zero]))

    def is_missing(self, found: Found) -> Expr:
        value, word, negated, _ = found
        return self._unless(negated, Call(place_of(word), "missing", (value,)))

    def _unless(self, negated: Token | None, found: Expr) -> Expr:
        return found if negated is None else self._operation(place_of(negated), "not", [found])

    def concat(self, found: Found) -> Expr:
        return self._chain(found, "concat")

    def product(self, found: Found) -> Expr:
        return self._chain(found, "")

    sum = product

    def prefix(self, found: Found) -> Expr:
        if len(found) == 1:
            return cast("Expr", found[0])
        sign = str(found[0])
        word = {"-": "minus", "+": "plus"}.get(sign, "not")
        return self._operation(place_of(found[0]), word, [found[1]])

    def power(self, found: Found) -> Expr:
        if len(found) == 1:
            return cast("Expr", found[0])
        return self._operation(place_of(found[1]), "power", [found[0], found[2]])

    def _chain(self, found: Found, word: str) -> Expr:
        """Join operands from the left; those of one associative word all at once."""
        if len(found) == 1:
            return cast("Expr", found[0])
        if word:
            return self._operation(place_of(found[1]), word, found[::2])
        words = tuple(_WORDS[str(sign)] for sign in found[1::2])
        return self._operation(place_of(found[1]), "chain", found[::2], words)

    # lists of names

    def names(self, found: Found) -> tuple[Names, ...]:
        return tuple(found)

    def one_name(self, found: Found) -> Names:
        name = str(found[0])
        return Names(place_of(found[0]), _SPECIAL.get(name.lower(), "name"), name)

    def one_literal(self, found: Found) -> Names:
        return Names(place_of(found[0]), "name", plain(found[0]))

    def range_names(self, found: Found) -> Names:
        return Names(place_of(found[0]), "range", str(found[0]), str(found[2]))

    def between_names(self, found: Found) -> Names:
        return Names(place_of(found[0]), "between", str(found[0]), str(found[1]))

    def prefix_names(self, found: Found) -> Names:
        return Names(place_of(found[0]), "prefix", str(found[0]))

    def array_names(self, found: Found) -> Names:
        return Names(place_of(found[0]), "array", str(found[0]))


def signed(minus: Token | None, found: Constant) -> Constant:
    """Return a constant, negative where there is a minus."""
    if minus is None or not isinstance(found.value, float):
        return found
    return Constant(found.place, -found.value, f"-{found.text}")


def depth_of(inner: Iterable[object], place: Place) -> int:
    """Return the depth of what holds some nodes.

    Raises:
        TooDeep: it is more than is allowed.
    """
    depth = 1 + max((int(getattr(each, "depth", 0)) for each in inner), default=0)
    if depth > MOST_DEPTH:
        raise TooDeep(place)
    return depth
