"""The grammar of conditions and programs, and what is said of a text that is none.

Names and words are read without regard to case. A word of a statement is a name where a value is
expected, and where ``=`` follows it. In a condition ``not`` binds weaker than a comparison, as in
SQL; in a program it is a sign, like ``-``, as in the DATA step.

Source: SAS expressions (groups of operators), WHERE expressions, DATA step statements.
"""

from difflib import get_close_matches
from functools import lru_cache
from typing import NoReturn

from lark import Lark, Token, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from actions.errors import InvalidExpression
from actions.language.nodes import Expr, Place, Statement, Step
from actions.language.reading import MOST_DEPTH, Reader, TooDeep
from engine.errors import NotSupportedError

LONGEST = 100_000
"""Characters in a condition or a program."""

_EXPRESSIONS = r"""
disjunction: conjunction (either conjunction)*
conjunction: negation (both negation)*
comparison: concat (relation concat)*
    | concat [NOT] IN "(" items ")" -> within
    | concat [NOT] BETWEEN concat AND concat -> between
    | concat [NOT] LIKE concat -> like
    | concat [NOT] CONTAINS concat -> contains
    | concat IS [NOT] (NULL | MISSING_WORD) -> is_missing
concat: sum (JOIN sum)*
sum: product (plus product)*
product: prefix (times prefix)*
power: atom (POWER prefix)?
items: item (","? item)*
item: [MINUS] constant | [MINUS] constant ":" [MINUS] constant -> span_item
?atom: constant | name | call | element @CASE@ | "(" expr ")"
?constant: NUMBER -> number | TEXT -> text | DATE -> moment | MISSING -> missing
name: NAME | NLITERAL -> literal_name | FIRST_LAST -> first_last
call: NAME "(" [arguments] ")"
element: NAME ("[" expr "]" | "{" expr "}")
arguments: argument ("," argument)*
?argument: expr | format | OF names -> span
format: FORMAT

names: listed+
listed: NAME -> one_name
    | NLITERAL -> one_literal
    | NAME MINUS NAME -> range_names
    | NAME "--" NAME -> between_names
    | NAME ":" -> prefix_names
    | NAME ("[" "*" "]" | "{" "*" "}" | "(" "*" ")") -> array_names

either: OR
both: AND
!relation: EQUALS | EQ | NE | LT | LE | GT | GE
!plus: "+" | MINUS
!times: "*" | "/"

OR.2: /or\b|[|](?![|])|!(?![!=])/i
AND.2: /and\b|&/i
NOT.2: /not\b|\^(?!=)|~(?!=)/i
EQUALS.2: /=(?!=)/
EQ.2: /eq\b|==/i
NE.2: /ne\b|\^=|~=|!=@NOT_EQUAL@/i
LE.3: /le\b|<=/i
GE.3: /ge\b|>=/i
LT.2: /lt\b|<(?!>)/i
GT.2: /gt\b|>/i
IN.2: /in\b/i
BETWEEN.2: /between\b/i
LIKE.2: /like\b/i
CONTAINS.2: /contains\b/i
IS.2: /is\b/i
NULL.2: /null\b/i
MISSING_WORD.2: /missing\b/i
THEN.2: /then\b/i
ELSE.3: /else\b/i
OF.2: /of(?=\s+[\w'"])/i
JOIN.3: "||" | "!!"
POWER.3: "**"
MINUS: "-"
NUMBER: /(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?![\w.])/i
MISSING: /\.[a-z_]?(?![\w.])/i
TEXT: /'(?:[^']|'')*'|"(?:[^"]|"")*"/
DATE.2: /('[^']*'|"[^"]*")(dt|d|t)(?!\w)/i
NLITERAL.3: /('(?:[^']|'')*'|"(?:[^"]|"")*")n(?!\w)/i
FORMAT.2: /\$[a-z_]*\d*\.\d*(?![\w'"])|[a-z_]\w*\.\d*(?![\w'"])/i
FIRST_LAST.4: /(first|last)\.(\w+|'(?:[^']|'')*'n|"(?:[^"]|"")*"n)/i
NAME: /[^\W\d]\w*/
%ignore /[ \t\r\n]+/
%ignore /\/\*[^*]*\*+([^\/*][^*]*\*+)*\//
"""

_CONDITION = r"""
start: expr
?expr: disjunction
negation: NOT negation | comparison
prefix: (plus prefix) | power
case: CASE (WHEN expr THEN expr)+ [ELSE expr] END
CASE.2: /case(?=\s+when\b)/i
WHEN.2: /when\b/i
END.3: /end\b/i
""" + _EXPRESSIONS.replace("@NOT_EQUAL@", "|<>").replace("@CASE@", "| case")

_STATEMENTS = r"""
?expr: disjunction
?negation: comparison
prefix: (plus | NOT) prefix | power

block: statement*
?statement: assign | sum_up | branch | subset | where | loop | group | output | leave | length
    | retain | choose | rename | array | routine | source | by | empty
assign: target EQUALS expr ";"
target: NAME -> name | NLITERAL -> literal_name | element
    | NAME "(" expr ")" -> element
sum_up: (NAME | NLITERAL) "+" expr ";"
branch: IF expr THEN statement [ELSE statement]
subset: IF expr ";"
where: WHERE expr ";"
group: DO ";" block END ";"
loop: DO control [WHILE "(" expr ")"] [UNTIL "(" expr ")"] ";" block END ";"
    | DO WHILE "(" expr ")" ";" block END ";" -> while_loop
    | DO UNTIL "(" expr ")" ";" block END ";" -> until_loop
control: NAME EQUALS expr ("," expr)* [TO expr [BY_WORD expr]]
output: OUTPUT (NAME | NLITERAL | TEXT)* ";"
leave: LEAVE ";"
length: LENGTH sized+ ";"
sized: names length_of
length_of: "$" [NUMBER] -> char_length
    | VARCHAR "(" (NUMBER | "*") ")" -> varchar_length
    | VARBINARY "(" (NUMBER | "*") ")" -> varbinary_length
    | NUMBER -> number_length
retain: RETAIN retained* ";"
retained: names [value]
value: [MINUS] constant | "(" [MINUS] constant ")"
choose: CHOOSE names ";"
rename: RENAME pair+ ";"
pair: (NAME | NLITERAL) EQUALS (NAME | NLITERAL)
array: ARRAY NAME [size] [text_size] [temporary] [names] ["(" items ")"] ";"
size: "[" (NUMBER | "*") "]" | "{" (NUMBER | "*") "}" | "(" (NUMBER | "*") ")"
text_size: "$" [NUMBER]
temporary: TEMPORARY
routine: CALL NAME "(" [arguments] ")" ";"
source: SOURCE data_set+ source_option* ";"
source_option: SOURCE_OPTION NAME
data_set: table_name ["(" option* ")"]
table_name: NAME | NLITERAL | TEXT | NAME "." NAME
option: KEEP_OPTION names -> option_names
    | RENAME_OPTION "(" pair+ ")" -> option_pairs
    | WHERE_OPTION "(" expr ")" -> option_where
    | IN_OPTION NAME -> option_text
    | WORD_OPTION (NAME | TEXT | NUMBER | NLITERAL) -> option_text
by: BY key+ ";"
key: [DESCENDING] (NAME | NLITERAL)
empty: ";"

IF.3: /if\b(?!\s*=)/i
END.3: /end\b(?!\s*=)/i
DO.3: /do\b(?!\s*=)/i
TO.3: /to\b/i
BY_WORD.3: /by\b/i
WHILE.3: /while(?=\s*\()/i
UNTIL.3: /until(?=\s*\()/i
OUTPUT.3: /output\b(?!\s*[=+])/i
LEAVE.3: /(delete|stop)\b(?!\s*[=+])/i
LENGTH.3: /length\b(?!\s*[=+])/i
VARCHAR.3: /varchar(?=\s*\()/i
VARBINARY.3: /varbinary(?=\s*\()/i
RETAIN.3: /retain\b(?!\s*[=+])/i
CHOOSE.3: /(keep|drop)\b(?!\s*[=+])/i
RENAME.3: /rename\b(?!\s*[=+])/i
ARRAY.3: /array\b(?!\s*[=+])/i
TEMPORARY.3: /_temporary_\b/i
CALL.3: /call\b(?!\s*[=+])/i
WHERE.3: /where\b(?!\s*[=+])/i
SOURCE.3: /(set|merge)\b(?!\s*[=+])/i
SOURCE_OPTION.4: /(end|nobs)\s*=/i
KEEP_OPTION.4: /(keep|drop)\s*=/i
RENAME_OPTION.4: /rename\s*=/i
WHERE_OPTION.4: /where\s*=/i
IN_OPTION.4: /in\s*=/i
WORD_OPTION.4: /(caslib|replace|promote|copies|label|compress|datalimit)\s*=/i
BY.3: /by\b(?!\s*[=+])/i
DESCENDING.3: /descending\b(?!\s*;)/i
""" + _EXPRESSIONS.replace("@NOT_EQUAL@", "").replace("@CASE@", "")

_PROGRAM = "start: block\n" + _STATEMENTS

_STEPS = (
    r"""
start: step*
step: DATA data_set+ ";" block RUN ";"
DATA.5: /data\b(?!\s*[=+])/i
RUN.5: /run\b(?!\s*[=+])/i
"""
    + _STATEMENTS
)

_TEXTS = {"condition": _CONDITION, "program": _PROGRAM, "steps": _STEPS}

UNBUILT = (
    "abort",
    "attrib",
    "cards",
    "continue",
    "datalines",
    "declare",
    "error",
    "file",
    "format",
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
    return Lark(_TEXTS[kind], parser="lalr", transformer=Reader(), maybe_placeholders=True)


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
