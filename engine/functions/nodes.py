"""What a function text is made of, once it is parsed."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where something stands in a text; both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Expr:
    """An expression.

    Attributes:
        kind: number, name, element (``word`` at the place ``args[0]``), call (of ``word``), or
            chain: ``args`` with an operation of ``words`` between every two, from the left.
        depth: how many expressions lie inside one another.
    """

    kind: str
    place: Place
    word: str = ""
    args: tuple["Expr", ...] = ()
    words: tuple[str, ...] = ()
    number: float = 0.0
    depth: int = 1


@dataclass(frozen=True)
class Assign:
    """``name = value;``."""

    place: Place
    name: str
    value: Expr


@dataclass(frozen=True)
class Give:
    """``return(value);``."""

    place: Place
    value: Expr


@dataclass(frozen=True)
class Branch:
    """``if condition then ...; else ...;``."""

    place: Place
    condition: Expr
    then: tuple["Statement", ...]
    otherwise: tuple["Statement", ...]


@dataclass(frozen=True)
class Loop:
    """``do name = first to last by step; ... end;``."""

    place: Place
    name: str
    first: Expr
    last: Expr
    step: Expr | None
    body: tuple["Statement", ...]


Statement = Assign | Give | Branch | Loop


def within(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """Yield the statements and all inside them."""
    for statement in statements:
        yield statement
        match statement:
            case Branch(then=then, otherwise=otherwise):
                yield from within(then + otherwise)
            case Loop(body=body):
                yield from within(body)
            case _:
                pass


def gives(statements: tuple[Statement, ...]) -> bool:
    """Return whether a return stands somewhere among the statements."""
    return any(isinstance(statement, Give) for statement in within(statements))


def assigned(statements: tuple[Statement, ...]) -> set[str]:
    """Return the names that get a value somewhere."""
    return {each.name for each in within(statements) if isinstance(each, Assign | Loop)}


def names_read(statements: tuple[Statement, ...]) -> set[str]:
    """Return the names whose values are read somewhere."""
    found, ahead = set[str](), list(expressions(statements))
    while ahead:
        expr = ahead.pop()
        ahead.extend(expr.args)
        if expr.kind in ("name", "element"):
            found.add(expr.word)
    return found


def expressions(statements: tuple[Statement, ...]) -> Iterator[Expr]:
    """Yield the expressions of all statements."""
    for statement in within(statements):
        match statement:
            case Assign(value=value) | Give(value=value):
                yield value
            case Branch(condition=condition):
                yield condition
            case Loop(first=first, last=last, step=step):
                yield from (each for each in (first, last, step) if each is not None)


@dataclass(frozen=True)
class Definition:
    """A parsed text.

    Attributes:
        name: of the function; empty for a bare expression.
        parameters: its own names of the arguments; None: the documented ones.
    """

    name: str
    parameters: tuple[str, ...] | None
    body: tuple[Statement, ...]
