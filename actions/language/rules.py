"""The rules of conditions, programs and DATA steps, as the parser takes them.

Names and words are read without regard to case. A word of a statement is a name where a value is
expected, and where ``=`` follows it. In a condition ``not`` binds weaker than a comparison, as in
SQL; in a program it is a sign, like ``-``, as in the DATA step.

Source: SAS expressions (groups of operators), WHERE expressions, DATA step statements.
"""

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
    | formats | retain | choose | rename | array | routine | source | by | empty
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
formats: FORMAT_WORD formatted+ ";"
formatted: names (FORMAT | NUMBER)
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
FORMAT_WORD.3: /format\b(?!\s*[=+])/i
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

RULES = {"condition": _CONDITION, "program": _PROGRAM, "steps": _STEPS}
"""The grammars by what they read: a condition, a program of computed columns, DATA steps."""
