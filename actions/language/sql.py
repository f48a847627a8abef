"""Expressions as SQL over the columns of a table, for DuckDB.

Whatever has no short translation raises :class:`NotInSql`; it is then run row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actions.language.functions import Function
from actions.language.meaning import Typed

LONGEST = 20_000
"""Characters of SQL; what would be longer is run row by row."""

_LOWEST = "'-infinity'::DOUBLE"
_LOWEST_WHOLE = "(-170141183460469231731687303715884105727)::HUGEINT"
_SIGNS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_ARITHMETIC = {"add": "+", "subtract": "-", "multiply": "*"}


class NotInSql(Exception):  # noqa: N818 - never leaves the room
    """What an expression means has no short translation."""


@dataclass(frozen=True)
class Sql:
    """A piece of SQL.

    Attributes:
        whole: the same number as a whole one, where it is an exact one.
        is_present: whether it is never missing.
        value: of a constant.
    """

    text: str
    whole: str = ""
    is_present: bool = False
    value: float | str | None = None

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            raise NotInSql


def text_literal(value: str) -> str:
    """Return text as an SQL constant."""
    if "\0" in value:
        raise NotInSql
    return "'" + value.replace("'", "''") + "'"


class SqlEmitter:
    """Makes SQL; a missing number is null, missing text is empty."""

    def constant(self, value: float | str | None) -> Sql:
        if value is None:
            return Sql("NULL::DOUBLE")
        if isinstance(value, str):
            return Sql(text_literal(value), is_present=True, value=value)
        whole = f"{int(value)}::HUGEINT" if value.is_integer() and abs(value) < 2**53 else ""
        return Sql(f"({value!r})::DOUBLE", whole, is_present=True, value=value)

    def chain(self, args: Sequence[Sql], words: Sequence[str]) -> Sql:
        text = args[0].text
        for word, each in zip(words, args[1:], strict=True):
            if word == "divide":
                divisor = each.text
                if not each.value:
                    divisor = f"(CASE WHEN {divisor} <> 0 THEN {divisor} END)"
                text = f"({text} / {divisor})"
            else:
                text = f"({text} {_ARITHMETIC[word]} {each.text})"
        return Sql(text)

    def power(self, base: Sql, exponent: Sql) -> Sql:
        value = exponent.value
        if not isinstance(value, float) or not value.is_integer() or not 0 <= value <= 8:
            raise NotInSql
        return Sql(f"pow({base.text}, {exponent.text})")

    def minus(self, value: Sql) -> Sql:
        negative = -value.value if isinstance(value.value, float) else None
        return self.constant(negative) if negative is not None else Sql(f"(-{value.text})")

    def concat(self, args: Sequence[Sql]) -> Sql:
        return Sql("(" + " || ".join(each.text for each in args) + ")")

    def compare(self, word: str, left: Sql, right: Sql, *, of_text: bool) -> Sql:
        a, b = _sides((left, right), of_text=of_text)
        return Sql(f"({a} {_SIGNS[word]} {b})", is_present=True)

    def within(self, value: Sql, items: Sequence[Sql], *, of_text: bool) -> Sql:
        first, *others = _sides((value, *items), of_text=of_text)
        return Sql(f"({first} IN ({', '.join(others)}))", is_present=True)

    def like(self, value: Sql, pattern: Sql) -> Sql:
        return Sql(f"(rtrim({value.text}, ' ') LIKE {pattern.text})")

    def join(self, word: str, args: Sequence[Sql]) -> Sql:
        return Sql("(" + f" {word.upper()} ".join(each.text for each in args) + ")")

    def negate(self, value: Sql) -> Sql:
        return Sql(f"(NOT {value.text})")

    def choose(self, condition: Sql, yes: Sql, no: Sql) -> Sql:
        return Sql(f"(CASE WHEN {condition.text} THEN {yes.text} ELSE {no.text} END)")

    def truth_of(self, value: Sql) -> Sql:
        return Sql(f"(coalesce({value.text}, 0) <> 0)")

    def number_of_truth(self, value: Sql) -> Sql:
        return Sql(f"(CASE WHEN {value.text} THEN 1.0 ELSE 0.0 END)::DOUBLE", is_present=True)

    def number_of_text(self, value: Sql) -> Sql:
        del value
        raise NotInSql

    def text_of_number(self, value: Sql) -> Sql:
        del value
        raise NotInSql

    def call(self, found: Function, args: Sequence[Typed[Sql]]) -> Sql:
        texts = [each.code.text for each in args]
        if found.name == "missing":
            is_text = args[0].kind == "text"
            test = f"{texts[0]} IS NULL" if not is_text else f"trim({texts[0]}) = ''"
            return Sql(f"(CASE WHEN {test} THEN 1.0 ELSE 0.0 END)::DOUBLE", is_present=True)
        if found.sql is None:
            raise NotInSql
        return Sql("(" + found.sql.format(*texts, all=", ".join(texts)) + ")")

    def stateful(self, word: str, args: Sequence[Typed[Sql]]) -> Sql:
        del word, args
        raise NotInSql


def _sides(sides: Sequence[Sql], *, of_text: bool) -> list[str]:
    """Return what is compared: text without blanks at its end, numbers with missing the lowest."""
    if of_text:
        return [_trimmed(each) for each in sides]
    if all(each.whole for each in sides):
        return [
            each.whole if each.is_present else f"coalesce({each.whole}, {_LOWEST_WHOLE})"
            for each in sides
        ]
    return [each.text if each.is_present else f"coalesce({each.text}, {_LOWEST})" for each in sides]


def _trimmed(side: Sql) -> str:
    if isinstance(side.value, str):
        return text_literal(side.value.rstrip(" "))
    return f"rtrim({side.text}, ' ')"
