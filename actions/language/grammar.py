"""Reads conditions and programs, and says what is wrong with a text that is none."""

from difflib import get_close_matches
from functools import lru_cache
from typing import NoReturn

from lark import Lark, Token, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from actions.errors import InvalidExpression
from actions.language.nodes import Expr, Place, Statement, Step
from actions.language.reading import MOST_DEPTH, TooDeep
from actions.language.rules import RULES
from actions.language.statements import Reader
from engine.errors import NotSupportedError

LONGEST = 100_000
"""Characters in a condition or a program."""

UNBUILT = (
    "abort",
    "attrib",
    "cards",
    "continue",
    "datalines",
    "declare",
    "error",
    "file",
    "goto",
    "infile",
    "informat",
    "input",
    "label",
    "leave",
    "libname",
    "link",
    "list",
    "method",
    "missing",
    "modify",
    "otherwise",
    "point",
    "proc",
    "put",
    "putlog",
    "remove",
    "return",
    "select",
    "update",
    "when",
)
"""Statements of the dialect that are not run."""

SHOWN = {
    "NAME": "a name",
    "NUMBER": "a number",
    "TEXT": "text in quotes",
    "NLITERAL": "a name",
    "DATE": "a number",
    "MISSING": "a number",
    "FORMAT": "a format",
    "FORMAT_WORD": "'format'",
    "FIRST_LAST": "a name",
    "$END": "the end",
    "EQ": "a comparison",
    "NE": "a comparison",
    "LT": "a comparison",
    "LE": "a comparison",
    "GT": "a comparison",
    "GE": "a comparison",
    "IN": "a comparison",
    "BETWEEN": "a comparison",
    "LIKE": "a comparison",
    "CONTAINS": "a comparison",
    "IS": "a comparison",
    "OR": "an operator",
    "AND": "an operator",
    "NOT": "a sign",
    "PLUS": "a sign",
    "MINUS": "a sign",
    "STAR": "an operator",
    "SLASH": "an operator",
    "POWER": "an operator",
    "JOIN": "an operator",
    "SEMICOLON": "';'",
    "COMMA": "','",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "EQUALS": "'='",
    "COLON": "':'",
    "DOLLAR": "'$'",
    "DOT": "'.'",
    "__ANON_0": "'--'",
    "CHOOSE": "'keep' or 'drop'",
    "LEAVE": "'delete' or 'stop'",
    "SOURCE": "'set' or 'merge'",
    "BY_WORD": "'by'",
    "KEEP_OPTION": "an option",
    "RENAME_OPTION": "an option",
    "WHERE_OPTION": "an option",
    "IN_OPTION": "an option",
    "WORD_OPTION": "an option",
    "SOURCE_OPTION": "an option",
}
"""What the words of the grammar are called in messages; others are shown as they are."""

STATEMENTS = (
    "array",
    "by",
    "call",
    "data",
    "delete",
    "do",
    "drop",
    "else",
    "end",
    "format",
    "if",
    "keep",
    "length",
    "merge",
    "output",
    "rename",
    "retain",
    "run",
    "set",
    "stop",
    "where",
)


@lru_cache(maxsize=3)
def _parser(kind: str) -> Lark:
    return Lark(RULES[kind], parser="lalr", transformer=Reader(), maybe_placeholders=True)


def parse_condition(text: str) -> Expr:
    """Return what a condition says.

    Raises:
        InvalidExpression: it is empty, too long, too deeply nested, or none of the dialect.
    """
    found: Expr = _parse("condition", text, f"the expression {shortened(text)}")
    return found


def parse_program(text: str) -> tuple[Statement, ...]:
    """Return the statements of a program; the last may lack its semicolon.

    Raises:
        InvalidExpression: it is empty, too long, too deeply nested, or none of the dialect.
        NotSupportedError: it holds a statement of the dialect that is not run.
    """
    text = text if text.rstrip().endswith(";") else f"{text};"
    found: tuple[Statement, ...] = _parse("program", text, "the program of computed columns")
    return found


def parse_steps(text: str) -> tuple[Step, ...]:
    """Return the DATA steps of a text.

    Raises:
        InvalidExpression: it is empty, too long, too deeply nested, or no step of the dialect.
        NotSupportedError: it holds a statement of the dialect that is not run.
    """
    found: tuple[Step, ...] = _parse("steps", text, "the DATA step")
    return found


def shortened(text: str) -> str:
    """Return a text as a message shows it."""
    return repr(text if len(text) <= 200 else text[:197] + "...")


def _parse(kind: str, text: str, subject: str):  # type: ignore[no-untyped-def]
    if not text.strip(" \t\r\n;"):
        raise InvalidExpression(f"{subject} is empty", expression=text)
    if len(text) > LONGEST:
        raise InvalidExpression(
            f"{subject.partition(' ')[0]} {subject.split()[1]} got {len(text)} characters, "
            f"expected at most {LONGEST}",
            characters=len(text),
        )
    try:
        return _parser(kind).parse(text)
    except TooDeep as error:
        raise InvalidExpression(
            f"{subject} at {error.place} got more than {MOST_DEPTH} expressions or statements "
            "inside one another, expected fewer",
            line=error.place.line,
            column=error.place.column,
        ) from None
    except UnexpectedInput as error:
        _refuse(kind, error, text, subject)


def _refuse(kind: str, error: UnexpectedInput, text: str, subject: str) -> NoReturn:
    token = error.token if isinstance(error, UnexpectedToken) else None
    is_end = token is not None and token.type == "$END"
    place = _end(text) if is_end else Place(error.line, error.column)
    facts = {"line": place.line, "column": place.column}
    got = "the end" if is_end else repr(_shown(error, token, text))
    word = "" if kind == "condition" else _statement(error, text)
    if word in UNBUILT:
        raise NotSupportedError(
            f"{subject} at {place} got the statement {word!r}, which is not supported yet",
            got=word,
            **facts,
        )
    near = get_close_matches(word, STATEMENTS, n=1) if word not in STATEMENTS else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    expected = ", ".join(_expected(error))
    raise InvalidExpression(f"{subject} at {place} got {got}, expected {expected}{hint}", **facts)


def _shown(error: UnexpectedInput, token: Token | None, text: str) -> str:
    start = error.pos_in_stream
    assert start is not None  # noqa: S101 - the parser says where it stopped
    return text[start : start + (1 if token is None else len(token))]


def _statement(error: UnexpectedInput, text: str) -> str:
    """Return the word that begins the statement an error is in."""
    start = error.pos_in_stream
    before = text[:start].rpartition(";")[2].split()
    if before:
        return before[0].lower()
    word = text[start:].split(maxsplit=1)
    return word[0].rstrip(";").lower() if word else ""


def _end(text: str) -> Place:
    lines = text.rstrip().split("\n")
    return Place(len(lines), len(lines[-1]) + 1)


def _expected(error: UnexpectedInput) -> list[str]:
    if isinstance(error, UnexpectedToken):
        names = error.accepts or error.expected
    else:
        assert isinstance(error, UnexpectedCharacters)  # noqa: S101 - the only other kind
        names = error.allowed
    return sorted({SHOWN.get(name, f"'{name.lower()}'") for name in names})
