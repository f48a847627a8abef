"""Row conditions in the manner of CAS, translated to one scalar SQL expression.

Nothing is passed through: every word is an operator, a constant, a column of the table, or a
function of a fixed list; columns are quoted. So an expression can neither read files nor hold a
second statement or a subquery, whatever it says.

Beside SQL's own, these are understood: ``eq ne lt le gt ge``, ``^= ~= <>``, ``& | ^ ~``, ``.`` for
missing, ``'a name'n`` for a column whose name is no word, double quotes around text, and lists for
``in`` without commas. Comparison with a missing value is not true, except with ``.``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from actions.errors import ColumnNotFound, InvalidExpression

LONGEST = 20_000
"""Characters in an expression."""
DEEPEST = 100
"""Parentheses inside parentheses."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<name>'(?:[^']|'')*'[nN](?!\w)|"(?:[^"]|"")*"[nN](?!\w))
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<missing>\.(?![\w.]))
    | (?P<operator>\*\*|\|\||\^=|~=|<>|!=|<=|>=|==|[=<>+\-*/(),&|^~])
    )""",
    re.VERBOSE,
)

_WORDS = {
    "eq": "=",
    "ne": "<>",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "AND",
    "or": "OR",
    "not": "NOT",
    "in": "IN",
    "is": "IS",
    "null": "NULL",
    "missing": "NULL",
    "between": "BETWEEN",
    "like": "LIKE",
    "case": "CASE",
    "when": "WHEN",
    "then": "THEN",
    "else": "ELSE",
    "end": "END",
    "true": "TRUE",
    "false": "FALSE",
}

_SIGNS = {
    "^=": "<>",
    "~=": "<>",
    "!=": "<>",
    "==": "=",
    "&": "AND",
    "|": "OR",
    "^": "NOT",
    "~": "NOT",
}

_MISSING = {
    "=": "IS NOT DISTINCT FROM",
    "<>": "IS DISTINCT FROM",
    ">": "IS DISTINCT FROM",
    "<=": "IS NOT DISTINCT FROM",
}
"""How a column compares with ``.`` on its right, which is below every number."""

FUNCTIONS = {
    "abs": "abs",
    "ceil": "ceil",
    "coalesce": "coalesce",
    "concat": "concat",
    "contains": "contains",
    "day": "day",
    "ends_with": "suffix",
    "exp": "exp",
    "floor": "floor",
    "greatest": "greatest",
    "hour": "hour",
    "index": "instr",
    "isnan": "isnan",
    "least": "least",
    "length": "length",
    "log": "ln",
    "log10": "log10",
    "log2": "log2",
    "lowcase": "lower",
    "lower": "lower",
    "minute": "minute",
    "mod": "mod",
    "month": "month",
    "octet_length": "octet_length",
    "power": "power",
    "round": "round",
    "second": "second",
    "sign": "sign",
    "sqrt": "sqrt",
    "starts_with": "starts_with",
    "strip": "trim",
    "substr": "substr",
    "substring": "substr",
    "trim": "trim",
    "upcase": "upper",
    "upper": "upper",
    "year": "year",
}
"""Functions an expression may call, and their names in SQL."""


@dataclass(frozen=True)
class Condition:
    """A translated expression and the columns it reads."""

    sql: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


def quoted(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def resolve(name: str, columns: Sequence[str], table: str = "the table") -> str:
    """Return a column's name as the table spells it.

    Raises:
        ColumnNotFound: the table has none of that name; the message names the nearest.
    """
    if name in columns:
        return name
    by_fold = {each.casefold(): each for each in columns}
    if name.casefold() in by_fold:
        return by_fold[name.casefold()]
    near = [by_fold[each] for each in get_close_matches(name.casefold(), by_fold, n=3)]
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ColumnNotFound(f"{table} has no column {name!r}{hint}", column=name, nearest=near)


def translate(expression: str, columns: Sequence[str]) -> Condition:
    """Return the SQL of a row condition over a table of the given columns.

    Raises:
        InvalidExpression: it is empty, cannot be read, or calls what is no function of the list.
        ColumnNotFound: it names a column the table does not have.
    """
    tokens = _tokens(expression)
    used: dict[str, None] = {}
    parts: list[str] = []
    depth = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "operator" else 0
        if depth < 0 or depth > DEEPEST:
            raise _invalid(expression, f"has a parenthesis out of place at {token.place}")
        if before is not None and _are_list_items(before, token):
            parts.append(",")
        parts.append(_sql(expression, token, after, (columns, used)))
    if depth:
        raise _invalid(expression, "has a parenthesis that is not closed")
    return Condition(" ".join(parts), tuple(used))


def _are_list_items(before: _Token, token: _Token) -> bool:
    """Return whether two constants stand side by side, as in ``in (1 2 3)``."""
    return {before.kind, token.kind} <= {"number", "text"}


def _tokens(expression: str) -> list[_Token]:
    if len(expression) > LONGEST:
        raise InvalidExpression(
            f"the expression got {len(expression)} characters, expected at most {LONGEST}",
            characters=len(expression),
        )
    found: list[_Token] = []
    place = 0
    text = expression.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _invalid(expression, f"cannot be read at {text[place:].lstrip()[:20]!r}")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match.group(kind), match.start(kind)))
        place = match.end()
    if not found:
        raise _invalid(expression, "is empty")
    return found


def _sql(
    expression: str,
    token: _Token,
    after: _Token | None,
    names: tuple[Sequence[str], dict[str, None]],
) -> str:
    columns, used = names
    match token.kind:
        case "number":
            return token.text
        case "text":
            return _text(_unquoted(token.text))
        case "missing":
            return "NULL"
        case "operator":
            sign = _SIGNS.get(token.text, token.text)
            return _compared(sign, after)
        case "name":
            column = resolve(_unquoted(token.text[:-1]), columns)
    if token.kind == "word":
        word = token.text.lower()
        if after is not None and after.text == "(" and word not in _WORDS:
            return _function(expression, word)
        if after is not None and after.text == "(" and word == "missing":
            return "NULL IS NOT DISTINCT FROM"
        if word in _WORDS:
            return _compared(_WORDS[word], after)
        column = resolve(token.text, columns)
    used[column] = None
    return quoted(column)


def _compared(sign: str, after: _Token | None) -> str:
    if after is not None and after.kind == "missing":
        return _MISSING.get(sign, sign)
    return sign


def _function(expression: str, word: str) -> str:
    name = FUNCTIONS.get(word)
    if name is None:
        near = get_close_matches(word, FUNCTIONS, n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise _invalid(expression, f"calls {word!r}, which is no function{hint}")
    return name


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _invalid(expression: str, what: str) -> InvalidExpression:
    shown = expression if len(expression) <= 200 else expression[:197] + "..."
    return InvalidExpression(f"the expression {shown!r} {what}", expression=shown)
