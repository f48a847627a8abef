from datetime import date, datetime, time

import pyarrow as pa
import pytest

from actions.errors import ColumnNotFound, InvalidExpression
from actions.query import Query, plan, run
from engine.errors import EngineError, NotSupportedError

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
        ("x ne 1", [0, 1, 3]),
        ("x ^= 1", [0, 1, 3]),
        ("x ~= 1", [0, 1, 3]),
        ("x <> 1", [0, 1, 3]),
        ("x != 1", [0, 1, 3]),
        ("^(x = 1)", [0, 1, 3]),
        ("~(x = 1) & x < 3", [1, 3]),
        ("x = 1 | x = 3", [0, 2]),
        ("not x = 1", [0, 1, 3]),
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
        ("x < 2", [1, 2]),
        ("x not in (1, 2)", [0, 1]),
        ("x in (1:2)", [2, 3]),
        ("x in ('1', '3')", [0, 2]),
        ("x = '3'", [0]),
        ("x in (., 3)", [0, 1]),
        ("x - 1", [0, 3]),
        ("x and s = 'b'", [0]),
        ("x / 0 = .", [0, 1, 2, 3]),
        ("x + 1 = .", [1]),
        ("1 < x < 3", [3]),
        ("s = 'b   '", [0]),
        ("s < 'b'", [1, 2]),
        ("s = ''", [2]),
        ("missing(s)", [2]),
        ("s contains 't'", [3]),
        ("s not like 'i%'", [0, 1, 2]),
        ('index(s, "\'") > 0', [3]),
        ("prxmatch('/^[AB]/i', s) > 0", [0, 1]),
        ("prxmatch('/\\bs/', s) = 4", [3]),
        ("scan(s, 2, \"'\") = 's'", [3]),
        ("substr(s, 1, 2) = 'it'", [3]),
        ("length(s) = 4", [3]),
        ("max(x, 2) = 2", [1, 2, 3]),
        ("sum(x, 1) = 1", [1]),
        ("'my col'n ** 0.5 = 2", [3]),
        ("put(x, 3.1) = '3.0'", [0]),
    ],
)
def test_a_condition_chooses_rows(where: str, expected: list[int]) -> None:
    assert positions(where) == expected


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        (
            "x = 1; drop table t",
            InvalidExpression,
            r"^the expression 'x = 1; drop table t' at line 1, column 6 got ';', expected ",
        ),
        ("x = 1 -- c", ColumnNotFound, r"^the table has no column 'c'$"),
        ("(select 1) = 1", InvalidExpression, r" at line 1, column 9 got '1', expected "),
        ("x in (select x from t)", InvalidExpression, r" at line 1, column 7 got 'select', "),
        (
            "s = read_text('/etc/passwd')",
            InvalidExpression,
            r" at line 1, column 5 calls 'read_text', which is no function; did you mean ",
        ),
        (
            "lenght(s) = 1",
            InvalidExpression,
            (
                r"^the expression 'lenght\(s\) = 1' at line 1, column 1 calls 'lenght', which is "
                r"no function; did you mean 'length' or 'lengthn' or"
            ),
        ),
        (
            "getenv('HOME') = ''",
            InvalidExpression,
            r"calls 'getenv', which is no function; did you mean 'geomean'",
        ),
        ("symget('a') = ''", NotSupportedError, r"calls 'symget', which is not supported yet$"),
        (
            "scan(s) = 'a'",
            InvalidExpression,
            r"at line 1, column 1 calls 'scan' with 1 arguments, expected 2 to 4$",
        ),
        ("abs(x, x)", InvalidExpression, r"calls 'abs' with 2 arguments, expected 1$"),
        ("max() = 1", InvalidExpression, r"calls 'max' with 0 arguments, expected at least 1$"),
        ("x = 1)", InvalidExpression, r"at line 1, column 6 got '\)', expected "),
        ("((x = 1)", InvalidExpression, r"at line 1, column 9 got the end, expected '\)'$"),
        (
            "abs(" * 101 + "x" + ")" * 101,
            InvalidExpression,
            r" at line 1, column 1 got more than 100 expressions or statements inside one ",
        ),
        ("x::text = '1'", InvalidExpression, r"at line 1, column 2 got ':', expected "),
        ("s = 'open", InvalidExpression, r"at line 1, column 5 got \"'\", expected "),
        ("'no such'n = 1", ColumnNotFound, r"^the table has no column 'no such'$"),
        ("xs = 1", ColumnNotFound, r"^the table has no column 'xs'; did you mean 'x' or 's'\?$"),
        ("x =", InvalidExpression, r"^the expression 'x =' at line 1, column 4 got the end, "),
        (
            "x = 'word'",
            InvalidExpression,
            (
                r"^the expression \"x = 'word'\" at line 1, column 5 compares the text 'word' with "
                r"a number, expected a number$"
            ),
        ),
        (
            "prxmatch('/(/', s) > 0",
            InvalidExpression,
            r"^the pattern '/\(/' cannot be run: Invalid regular expression: missing \)",
        ),
        (
            "prxmatch('cat', s) > 0",
            InvalidExpression,
            r"^the pattern 'cat' cannot be read, expected one such as '/cat/i' or 's/cat/dog/'$",
        ),
        (
            "put(x, dat9.) = ''",
            InvalidExpression,
            r"^the format 'dat9.' is not known; did you mean 'date.'",
        ),
        (
            "x < '31feb2024'd",
            InvalidExpression,
            r"at line 1, column 5 got '31feb2024'd, expected a constant such as '31jan2024'd$",
        ),
        ("dim(x) = 1", InvalidExpression, r"at line 1, column 1 got 'x', which is no array$"),
        (
            "x = 1 or " * 11200 + "x = 1",
            InvalidExpression,
            r"^the expression got 100805 characters, expected at most 100000$",
        ),
    ],
)
def test_what_is_no_condition_is_refused(
    where: str, error: type[EngineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        positions(where)


def test_a_blank_condition_takes_all_rows() -> None:
    assert positions("  ") == [0, 1, 2, 3]


def test_a_quote_in_a_columns_name_ends_nothing() -> None:
    tricky = pa.RecordBatch.from_pydict({'a" or 1=1 --': [1, 2]})

    found = plan(Query("'a\" or 1=1 --'n = 1"), tricky.schema)

    assert [row for batch in run(found, [tricky]) for row in batch.to_pylist()] == [
        {'a" or 1=1 --': 1}
    ]


def test_what_is_no_number_is_missing() -> None:
    rows = pa.RecordBatch.from_pydict({"x": [1.0, float("nan"), None, -5.0]})

    found = plan(Query("x < -9 and missing(x)"), rows.schema)

    assert sum(batch.num_rows for batch in run(found, [rows])) == 2


def test_whole_numbers_are_compared_by_every_digit() -> None:
    rows = pa.RecordBatch.from_pydict({"x": [2**60, 2**60 + 1], "y": [2**60, 2**60]})

    found = plan(Query("x = y"), rows.schema)

    assert sum(batch.num_rows for batch in run(found, [rows])) == 1


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("d = '2024-02-29'", 1),
        ("d > '28feb2024'd", 1),
        ("t >= '2024-02-29T12:00:00'", 1),
        ("t < '01mar2024:00:00:00'dt", 2),
        ("c = '12:30:00't", 1),
        ("year(d) = 2023", 1),
        ("d in ('2024-02-29', '2023-01-01')", 2),
        ("month(datepart(t)) = 2", 2),
    ],
)
def test_dates_and_times_are_compared_with_constants(where: str, count: int) -> None:
    rows = pa.RecordBatch.from_pydict(
        {
            "d": [date(2024, 2, 29), date(2023, 1, 1)],
            "t": [datetime(2024, 2, 29, 12), datetime(2024, 2, 1)],  # noqa: DTZ001
            "c": [time(12, 30), time(1)],
        }
    )

    found = plan(Query(where), rows.schema)

    assert sum(batch.num_rows for batch in run(found, [rows])) == count
