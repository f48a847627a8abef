"""The grammar of function texts: an expression, or a function of the FCMP dialect.

Names and words are read without regard to case. As in SAS, ``**`` and signs go from right to left
and before all else (-2**2 is -4), and ``not`` is such a sign.

Source: the SAS FCMP procedure and SAS expressions (groups of operators).
"""

from functools import cache
from typing import NoReturn

from lark import Lark, Token, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from engine.errors import LayerError, NotSupportedError
from engine.functions.nodes import Definition, Place
from engine.functions.reading import MOST_DEPTH, Reader, TooDeep

MOST_CHARACTERS = 8000

GRAMMAR = r"""
start: function | formula
?formula: expr ";"?
function: "function" NAME "(" [parameters] ")" ";" block "endsub" ";"?
parameters: parameter ("," parameter)*
parameter: NAME ("[" "*" "]")?

block: statement*
?statement: assign | give | branch | loop | group | empty
assign: NAME "=" expr ";"
give: RETURN "(" expr ")" ";"
branch: IF expr "then" statement ["else" statement]
loop: "do" NAME "=" expr "to" expr ["by" expr] ";" block "end" ";"
group: "do" ";" block "end" ";"
empty: ";"

?expr: disjunction
disjunction: conjunction (either conjunction)*
conjunction: comparison (both comparison)*
comparison: sum (relation sum)?
sum: product (plus product)*
product: prefix (times prefix)*
prefix: sign prefix | power
power: atom (raised prefix)?
?atom: number | name | call | element | "(" expr ")"
number: NUMBER
name: NAME
call: NAME "(" [arguments] ")"
element: NAME "[" expr "]"
arguments: expr ("," expr)*

!either: "or" | "|"
!both: "and" | "&"
!relation: "=" | "==" | "eq" | "ne" | "^=" | "~=" | "!=" | "<" | "lt" | "<=" | "le" | ">" | "gt"
    | ">=" | "ge"
!plus: "+" | "-"
!times: "*" | "/"
!sign: "+" | "-" | "not" | "^" | "~"
!raised: "**"

RETURN: "return"
IF: "if"
NAME: /[a-z_][a-z_0-9]*/
NUMBER: /(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/
COMMENT: /\/\*[^*]*\*+([^\/*][^*]*\*+)*\//
%ignore COMMENT
%ignore /[ \t\r\n]+/
"""

UNBUILT = (
    "abort",
    "array",
    "attrib",
    "call",
    "continue",
    "delete",
    "file",
    "format",
    "goto",
    "label",
    "leave",
    "length",
    "link",
    "outargs",
    "put",
    "rename",
    "retain",
    "select",
    "static",
    "stop",
    "struct",
    "subroutine",
    "until",
    "when",
    "while",
)
"""Statements of the dialect that are not run."""

SHOWN = {"NAME": "a name", "NUMBER": "a number", "$END": "the end"}

OPERATORS = {"&", "|", "and", "or"}
RELATIONS = {"=", "<", ">", "eq", "ne", "lt", "le", "gt", "ge", "*", "/", "+", "-"}


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", transformer=Reader(), maybe_placeholders=True)


def parse(text: str, subject: str = "function") -> Definition:
    """Return what a function text says; messages call it the subject.

    Raises:
        LayerError: it is empty, too long, too deeply nested, or no text of the dialect.
        NotSupportedError: it holds a statement of the dialect that is not run.
    """
    if not text.strip():
        raise LayerError(f"{subject} got an empty text, expected an expression or a function")
    if len(text) > MOST_CHARACTERS:
        raise LayerError(
            f"{subject} got {len(text)} characters, expected at most {MOST_CHARACTERS}",
            got=len(text),
            expected=MOST_CHARACTERS,
        )
    try:
        tree = _parser().parse("".join(c.lower() if c.isascii() else c for c in text))
    except TooDeep as error:
        raise LayerError(
            f"{subject} at {error.place} got more than {MOST_DEPTH} expressions or statements "
            "inside one another, expected fewer",
            line=error.place.line,
            column=error.place.column,
            expected=MOST_DEPTH,
        ) from None
    except UnexpectedInput as error:
        _refuse(error, text, subject)
    assert isinstance(tree, Definition)  # noqa: S101 - what Reader.start returns
    return tree


def _refuse(error: UnexpectedInput, text: str, subject: str) -> NoReturn:
    token = error.token if isinstance(error, UnexpectedToken) else None
    is_end = token is not None and token.type == "$END"
    place = _end(text) if is_end else Place(error.line, error.column)
    facts = {"line": place.line, "column": place.column}
    got = "the end of the text" if is_end else repr(_shown(error, token, text))
    word = _word(error, token, text)
    if word in UNBUILT:
        raise NotSupportedError(
            f"{subject} at {place} got the statement {word!r}, which is not supported yet; "
            "expected an assignment, if, do or return",
            got=word,
            **facts,
        )
    raise LayerError(
        f"{subject} at {place} got {got}, expected {', '.join(_expected(error))}",
        got=got,
        **facts,
    )


def _shown(error: UnexpectedInput, token: Token | None, text: str) -> str:
    start = error.pos_in_stream
    assert start is not None  # noqa: S101 - the parser says where it stopped
    return text[start : start + (1 if token is None else len(token))]


def _word(error: UnexpectedInput, token: Token | None, text: str) -> str:
    """Return the word an error is at, or the one just before, when that begins a statement."""
    start = error.pos_in_stream
    before = text[:start].replace(";", " ; ").split()
    if token is not None and token.lower() in UNBUILT:
        return str(token.lower())
    return before[-1].lower() if before else ""


def _end(text: str) -> Place:
    lines = text.rstrip().split("\n")
    return Place(len(lines), len(lines[-1]) + 1)


def _expected(error: UnexpectedInput) -> list[str]:
    if isinstance(error, UnexpectedToken):
        names = error.accepts or error.expected
    else:
        assert isinstance(error, UnexpectedCharacters)  # noqa: S101 - the only other kind
        names = error.allowed
    kinds = {terminal.name: terminal.pattern.value for terminal in _parser().terminals}
    shown = {SHOWN.get(name) or kinds.get(name, "") for name in names if name[:2] != "__"}
    if shown >= OPERATORS:
        shown = {"an operator", *shown} - OPERATORS - RELATIONS
    return sorted(each if " " in each else repr(each) for each in shown)
