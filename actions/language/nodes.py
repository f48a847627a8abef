"""What an expression or a program is made of, once it is parsed."""

from dataclasses import dataclass, field
from typing import TypeAlias

from engine.functions.nodes import Place as Place


@dataclass(frozen=True)
class Constant:
    """A number, text, or None for the missing number; ``text`` is how it was written."""

    place: Place
    value: float | str | None
    text: str = ""


@dataclass(frozen=True)
class Name:
    """A column, a variable, or ``first.x`` and ``last.x``."""

    place: Place
    name: str


@dataclass(frozen=True)
class Element:
    """An element of an array."""

    place: Place
    name: str
    index: "Expr"
    depth: int = 1


@dataclass(frozen=True)
class Call:
    """A function and its arguments; an element of an array where the name is one."""

    place: Place
    word: str
    args: tuple["Expr | Span | Format", ...]
    depth: int = 1


@dataclass(frozen=True)
class Span:
    """Variables after ``of``, or in a list of names; see :class:`Names`."""

    place: Place
    items: tuple["Names", ...]


@dataclass(frozen=True)
class Format:
    """A format or an informat, such as ``8.2`` or ``date9.``."""

    place: Place
    text: str


@dataclass(frozen=True)
class Operation:
    """An operation on expressions.

    Attributes:
        word: chain, power, minus, plus, concat, eq, ne, lt, le, gt, ge, and, or, not, in (a value,
            then those of the list), like, case (conditions and values in turn, then the last).
        words: of a chain, what stands between every two: add, subtract, multiply or divide.
        depth: how many expressions lie inside one another.
    """

    place: Place
    word: str
    args: tuple["Expr", ...]
    words: tuple[str, ...] = ()
    depth: int = 1


Expr: TypeAlias = Constant | Name | Element | Call | Operation


@dataclass(frozen=True)
class Names:
    """One item in a list of names.

    Attributes:
        kind: name, range (``x1-x5``), between (``a--b``), prefix (``x:``), array (``a[*]``), or
            all, numeric or character for ``_all_`` and the like.
        last: the other end of a range.
    """

    place: Place
    kind: str
    name: str
    last: str = ""


@dataclass(frozen=True)
class Assign:
    """``x = value;``."""

    place: Place
    target: Name | Element
    value: Expr


@dataclass(frozen=True)
class Sum:
    """``x + value;``: missing counts as zero, and x is kept from row to row."""

    place: Place
    name: str
    value: Expr


@dataclass(frozen=True)
class If:
    """``if condition then ...; else ...;``."""

    place: Place
    condition: Expr
    then: tuple["Statement", ...]
    otherwise: tuple["Statement", ...]
    depth: int = 1


@dataclass(frozen=True)
class Keep:
    """``if condition;`` and ``where condition;``: rows that do not meet it end here."""

    place: Place
    condition: Expr
    is_where: bool = False


@dataclass(frozen=True)
class Loop:
    """``do i = a to b by c while(...) until(...); ... end;``, each part but the body optional.

    Attributes:
        values: the values of a list, in place of first, last and step.
    """

    place: Place
    name: str
    values: tuple[Expr, ...]
    last: Expr | None
    step: Expr | None
    condition: Expr | None
    until: bool
    body: tuple["Statement", ...]
    depth: int = 1


@dataclass(frozen=True)
class Output:
    """``output a b;``; no names: all tables of the step."""

    place: Place
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Leave:
    """``delete;`` ends a row, ``stop;`` the step."""

    place: Place
    word: str


@dataclass(frozen=True)
class Length:
    """``length x $ 8 y varchar(*);``: a length of None has no limit."""

    place: Place
    names: tuple[Names, ...]
    kind: str
    length: int | None


@dataclass(frozen=True)
class Formats:
    """``format day date9. x 8.2;``: how values are shown, of dates and times also what they are."""

    place: Place
    names: tuple[Names, ...]
    format: str


@dataclass(frozen=True)
class Retain:
    """``retain a b 0;``: values are kept from row to row."""

    place: Place
    names: tuple[Names, ...]
    value: float | str | None
    has_value: bool


@dataclass(frozen=True)
class Choose:
    """``keep a b;`` or ``drop a b;``."""

    place: Place
    word: str
    names: tuple[Names, ...]


@dataclass(frozen=True)
class Rename:
    """``rename a=b c=d;``."""

    place: Place
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Array:
    """``array a[3] $ 8 x y z (1 2 3);``."""

    place: Place
    name: str
    size: int | None
    is_text: bool
    length: int | None
    names: tuple[Names, ...]
    values: tuple[float | str | None, ...]
    is_temporary: bool = False


@dataclass(frozen=True)
class CallRoutine:
    """``call streaminit(1);``."""

    place: Place
    word: str
    args: tuple[Expr | Span | Format, ...]


@dataclass(frozen=True)
class DataSet:
    """A table in a DATA step, with its options."""

    place: Place
    name: str
    options: tuple["Option", ...] = ()


@dataclass(frozen=True)
class Option:
    """An option of a table: keep, drop, rename, where, in, caslib, replace, promote, copies ..."""

    place: Place
    word: str
    names: tuple[Names, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    text: str = ""
    condition: Expr | None = None


@dataclass(frozen=True)
class Source:
    """``set a b end=last;`` or ``merge a b;``."""

    place: Place
    word: str
    tables: tuple[DataSet, ...]
    end: str = ""
    count: str = ""


@dataclass(frozen=True)
class By:
    """``by a descending b;``: names, each with whether it descends."""

    place: Place
    keys: tuple[tuple[str, bool], ...]


Statement: TypeAlias = (
    Assign
    | Sum
    | If
    | Keep
    | Loop
    | Output
    | Leave
    | Length
    | Formats
    | Retain
    | Choose
    | Rename
    | Array
    | CallRoutine
    | Source
    | By
)


@dataclass(frozen=True)
class Step:
    """A DATA step: the tables it makes and its statements."""

    place: Place
    tables: tuple[DataSet, ...]
    body: tuple[Statement, ...] = field(default_factory=tuple)


def within(statements: tuple[Statement, ...]) -> list[Statement]:
    """Return the statements and all inside them, in the order of the text."""
    found: list[Statement] = []
    for each in statements:
        found.append(each)
        if isinstance(each, If):
            found += within(each.then) + within(each.otherwise)
        elif isinstance(each, Loop):
            found += within(each.body)
    return found
