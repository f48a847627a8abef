"""Turns what the parser finds into nodes, while it reads."""

from typing import TypeAlias

from lark import Token, Transformer

from engine.functions.nodes import (
    Assign,
    Branch,
    Definition,
    Expr,
    Give,
    Loop,
    Place,
    Statement,
)

MOST_DEPTH = 40

Found: TypeAlias = list[object]

RELATIONS = {
    "=": "eq",
    "==": "eq",
    "^=": "ne",
    "~=": "ne",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}
SIGNS = {"+": "plus", "-": "minus", "not": "not", "^": "not", "~": "not"}
BINARY = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}
LOGICAL = {"or": "or", "|": "or", "and": "and", "&": "and"}


class TooDeep(Exception):  # noqa: N818 - never leaves the room
    """More expressions or statements lie inside one another than is allowed."""

    def __init__(self, place: Place) -> None:
        super().__init__(str(place))
        self.place = place


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1)


def _token(found: object) -> Token:
    assert isinstance(found, Token)  # noqa: S101 - the grammar puts one there
    return found


def _expr(found: object) -> Expr:
    assert isinstance(found, Expr)  # noqa: S101 - the grammar puts one there
    return found


def _depth(args: tuple[Expr, ...], place: Place) -> int:
    depth = 1 + max((each.depth for each in args), default=0)
    if depth > MOST_DEPTH:
        raise TooDeep(place)
    return depth


def _block(found: object) -> tuple[Statement, ...]:
    """Return one statement, or those of a group, as a tuple."""
    if found is None:
        return ()
    if isinstance(found, tuple):
        return found
    assert isinstance(found, Assign | Give | Branch | Loop)  # noqa: S101 - what the grammar has
    return (found,)


class Reader(Transformer[Token, object]):
    """Builds a definition from the bottom up; every method is named for a rule of the grammar."""

    def start(self, found: Found) -> Definition:
        (whole,) = found
        if isinstance(whole, Definition):
            return whole
        value = _expr(whole)
        return Definition("", None, (Give(value.place, value),))

    def function(self, found: Found) -> Definition:
        name, parameters, body = found
        names = parameters if isinstance(parameters, tuple) else ()
        return Definition(str(name), names, _block(body))

    def parameters(self, found: Found) -> tuple[object, ...]:
        return tuple(found)

    def parameter(self, found: Found) -> str:
        return str(found[0])

    def block(self, found: Found) -> tuple[Statement, ...]:
        return tuple(statement for each in found for statement in _block(each))

    def group(self, found: Found) -> tuple[Statement, ...]:
        return _block(found[0])

    def empty(self, found: Found) -> tuple[Statement, ...]:
        del found
        return ()

    def assign(self, found: Found) -> Assign:
        name = _token(found[0])
        return Assign(_place(name), str(name), _expr(found[1]))

    def give(self, found: Found) -> Give:
        return Give(_place(_token(found[0])), _expr(found[1]))

    def branch(self, found: Found) -> Branch:
        word, condition, then, otherwise = found
        branch = Branch(_place(_token(word)), _expr(condition), _block(then), _block(otherwise))
        _check_nesting(branch)
        return branch

    def loop(self, found: Found) -> Loop:
        name, first, last, step, body = found
        where, by = _token(name), None if step is None else _expr(step)
        loop = Loop(_place(where), str(name), _expr(first), _expr(last), by, _block(body))
        _check_nesting(loop)
        return loop

    def number(self, found: Found) -> Expr:
        token = _token(found[0])
        return Expr("number", _place(token), number=float(token))

    def name(self, found: Found) -> Expr:
        token = _token(found[0])
        return Expr("name", _place(token), str(token))

    def arguments(self, found: Found) -> tuple[object, ...]:
        return tuple(found)

    def call(self, found: Found) -> Expr:
        token, given = _token(found[0]), found[1]
        args = tuple(map(_expr, given)) if isinstance(given, tuple) else ()
        place = _place(token)
        return Expr("call", place, str(token), args, depth=_depth(args, place))

    def element(self, found: Found) -> Expr:
        token, args = _token(found[0]), (_expr(found[1]),)
        place = _place(token)
        return Expr("element", place, str(token), args, depth=_depth(args, place))

    def prefix(self, found: Found) -> Expr:
        if len(found) == 1:
            return _expr(found[0])
        sign, args = _token(found[0]), (_expr(found[1]),)
        place = _place(sign)
        return Expr("call", place, SIGNS[sign], args, depth=_depth(args, place))

    def disjunction(self, found: Found) -> Expr:
        return _chain(found, LOGICAL)

    def conjunction(self, found: Found) -> Expr:
        return _chain(found, LOGICAL)

    def comparison(self, found: Found) -> Expr:
        return _chain(found, RELATIONS)

    def sum(self, found: Found) -> Expr:
        return _chain(found, BINARY)

    def product(self, found: Found) -> Expr:
        return _chain(found, BINARY)

    def power(self, found: Found) -> Expr:
        return _chain(found, BINARY)

    def _sign(self, found: Found) -> object:
        return found[0]

    sign = relation = plus = times = raised = either = both = _sign


def _chain(found: Found, names: dict[str, str]) -> Expr:
    if len(found) == 1:
        return _expr(found[0])
    args = tuple(map(_expr, found[::2]))
    signs = [_token(each) for each in found[1::2]]
    place = _place(signs[0])
    words = tuple(names.get(sign, str(sign)) for sign in signs)
    return Expr("chain", place, args=args, words=words, depth=_depth(args, place))


def _check_nesting(statement: Branch | Loop) -> None:
    if _nesting(statement) > MOST_DEPTH:
        raise TooDeep(statement.place)


def _nesting(statement: Statement) -> int:
    match statement:
        case Branch(then=then, otherwise=otherwise):
            inner = (*then, *otherwise)
        case Loop(body=body):
            inner = body
        case _:
            return 0
    return 1 + max(map(_nesting, inner), default=0)
