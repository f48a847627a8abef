from typing import Any

import pyarrow as pa
import pytest

from actions.errors import ColumnNotFound, InvalidExpression
from actions.expression import translate
from actions.query import Query, plan, run
from engine.errors import EngineError

ROWS = pa.RecordBatch.from_pydict(
    {
        "x": pa.array([3, None, 1, 2], pa.int8()),
        "s": pa.array(["b", "a", None, "it's"]),
        "my col": [1.0, 2.0, 3.0, 4.0],
        "end": [1, 2, 3, 4],
    }
)


def positions(where: str) -> list[int]:
    """Return which rows meet a condition, by their position in ``my col``."""
    found = plan(Query(where, ("my col",)), ROWS.schema)
    batches = run(found, [ROWS.select(list(found.reads))])
    return [int(row["my col"]) - 1 for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("x > 1", [0, 3]),
        ("X gt 1", [0, 3]),
        ("x ge 2 and x le 3", [0, 3]),
        ("x eq 1 or x = 2", [2, 3]),
        ("x == 1", [2]),
        ("x ne 1", [0, 3]),
        ("x ^= 1", [0, 3]),
        ("x ~= 1", [0, 3]),
        ("x <> 1", [0, 3]),
        ("x != 1", [0, 3]),
        ("^(x = 1)", [0, 3]),
        ("~(x = 1) & x < 3", [3]),
        ("x = 1 | x = 3", [0, 2]),
        ("not x = 1", [0, 3]),
        ("x = .", [1]),
        ("x eq .", [1]),
        ("x ^= .", [0, 2, 3]),
        ("x > .", [0, 2, 3]),
        ("x <= .", [1]),
        ("missing(x)", [1]),
        ("not missing(x)", [0, 2, 3]),
        ("x is null", [1]),
        ("s is not missing", [0, 1, 3]),
        ("x in (1, 2)", [2, 3]),
        ("x in (1 2)", [2, 3]),
        ("s in ('a' \"it's\")", [1, 3]),
        ("s = 'it''s'", [3]),
        ('s = "b"', [0]),
        ("'my col'n >= 3", [2, 3]),
        ('"MY COL"N >= 3', [2, 3]),
        ("'end'n = 4", [3]),
        ("x between 2 and 3", [0, 3]),
        ("s like 'i%'", [3]),
        ("upcase(s) = 'B'", [0]),
        ("case when x = 1 then 1 else 0 end = 1", [2]),
        ("x ** 2 = 9", [0]),
        ("x + .5 > 2.4e0", [0, 3]),
        ("s || 'c' = 'bc'", [0]),
        ("1 = 1", [0, 1, 2, 3]),
        ("true", [0, 1, 2, 3]),
    ],
)
def test_a_condition_chooses_rows(where: str, expected: list[int]) -> None:
    assert positions(where) == expected


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("", InvalidExpression, r"^the expression '' is empty$"),
        ("x = 1; drop table t", InvalidExpression, r"^the expression .* cannot be read at '; drop"),
        ("x = 1 -- c", ColumnNotFound, r"^the table has no column 'c'$"),
        ("x /* c */ = 1", ColumnNotFound, r"^the table has no column 'c'$"),
        ("(select 1) = 1", ColumnNotFound, r"^the table has no column 'select'$"),
        ("x in (select x from t)", ColumnNotFound, r"^the table has no column 'select'$"),
        (
            "s = read_text('/etc/passwd')",
            InvalidExpression,
            r"^the expression .* calls 'read_text', which is no function",
        ),
        (
            "lenght(s) = 1",
            InvalidExpression,
            (
                r"^the expression 'lenght\(s\) = 1' calls 'lenght', which is no function; did you "
                r"mean 'length'\?$"
            ),
        ),
        ("getenv('HOME') = ''", InvalidExpression, r"calls 'getenv', which is no function"),
        ("x = 1)", InvalidExpression, r"^the expression 'x = 1\)' has a parenthesis out of place "),
        ("((x = 1)", InvalidExpression, r"has a parenthesis that is not closed$"),
        ("(" * 101 + "x" + ")" * 101, InvalidExpression, r"has a parenthesis out of place at 100$"),
        ("x = 1 or (x = 2) or (1", InvalidExpression, r"that is not closed$"),
        ("x::text = '1'", InvalidExpression, r"cannot be read at \"::text"),
        ("s = 'open", InvalidExpression, r"cannot be read at \"'open\"$"),
        ("'no such'n = 1", ColumnNotFound, r"^the table has no column 'no such'$"),
        ("xs = 1", ColumnNotFound, r"^the table has no column 'xs'; did you mean 'x' or 's'\?$"),
        ("x =", InvalidExpression, r"^the expression 'x =' does not fit the table: Parser Error: "),
        ("(x = 1, s = 'a')", InvalidExpression, r"does not fit the table: "),
        ("x = 'word'", InvalidExpression, r"does not fit the table: Conversion Error"),
        (
            "x = 1 or " * 2300 + "x = 1",
            InvalidExpression,
            r"^the expression got 20705 characters, expected at most 20000$",
        ),
    ],
)
def test_what_is_no_condition_is_refused(
    where: str, error: type[EngineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        positions(where)


def test_a_value_that_cannot_be_compared_is_found_while_reading() -> None:
    with pytest.raises(InvalidExpression, match=r"^the expression 's = 1' does not fit the table"):
        positions("s = 1")


def test_a_quote_in_a_columns_name_ends_nothing() -> None:
    tricky: dict[str, Any] = {'a" or 1=1 --': [1]}

    condition = translate("'a\" or 1=1 --'n = 1", list(tricky))

    assert condition.sql == '"a"" or 1=1 --" = 1'
    assert condition.columns == ('a" or 1=1 --',)
