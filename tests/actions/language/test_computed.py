"""Computed columns, and that SQL and rows give the same."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidExpression, InvalidParameters
from actions.language.computed import RowProgram, plan_computing
from actions.language.grammar import parse_condition, parse_program
from actions.query import Query, plan, run
from engine.errors import EngineError, NotSupportedError
from tests.actions.house import Run, put, rows_of

ROWS = pa.RecordBatch.from_pydict(
    {
        "x": [3.0, None, 1.0],
        "n": [2, 5, 7],
        "_path_": ["/data/cats/1_2.jpg", "/data/dogs/7.png", "plain"],
        "s": ["one two", "", None],
    }
)


def computed(program: str, *names: str, where: str | None = None) -> list[tuple[Any, ...]]:
    """Return the computed columns of the rows that meet a condition."""
    query = Query(where, names, computed=names, program=program)
    found = plan(query, ROWS.schema)
    batches = run(found, [ROWS.select(list(found.reads))])
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("z = (x > 2);", [1.0, 0.0, 0.0]),
        ("z = x + n", [5.0, None, 8.0]),
        ("z = x / (n - 2);", [None, None, 0.2]),
        ("z = -x ** 2;", [-9.0, None, -1.0]),
        ("z = 2 ** -1 + mod(n, 2);", [0.5, 1.5, 1.5]),
        ("z = log(x - 1);", [0.6931471805599453, None, None]),
        ("z = not x;", [0.0, 1.0, 0.0]),
        ("z = (x < n) + (x = .) * 10;", [0.0, 11.0, 1.0]),
        ("y = x; y = y + 1; z = y * y;", [16.0, None, 4.0]),
        ("if x > 2 then z = 1; else if missing(x) then z = 2; else z = 3;", [1.0, 2.0, 3.0]),
        ("if n > 4 then do; y = n; z = y + 1; end;", [None, 6.0, 8.0]),
        ("z = 0; do i = 1 to n by 2; z = z + i; end;", [1.0, 9.0, 16.0]),
        ("z = 1; do while(z < n); z = z * 2; end;", [2.0, 8.0, 8.0]),
        ("z = 1; do until(z >= n); z = z * 2; end;", [2.0, 8.0, 8.0]),
        ("z = 0; do i = 1, 3, 5 to 6; z = z + i; end;", [15.0, 15.0, 15.0]),
        ("array a[2] x n; z = a[2] - sum(of a[*]);", [-3.0, 0.0, -1.0]),
        ("array a x n; a[1] = 1; z = a(1) + dim(a);", [3.0, 3.0, 3.0]),
        ("length z varchar(*); z = upcase(s) || '!';", ["ONE TWO!", "!", "!"]),
        ("length z $ 3; z = s;", ["one", None, None]),
        ("length z $ 3; if n > 2 then z = 'abcdef';", [None, "abc", "abc"]),
        ("z = scan(s, -1);", ["two", None, None]),
        ("z = compress('_' || n || '_' || s);", ["_2_onetwo", "_5_", "_7_"]),
        ("z = cats(n, '-', s);", ["2-one two", "5-", "7-"]),
        ("z = '12' + n;", [14.0, 17.0, 19.0]),
        ("z = s + 1;", [None, None, None]),
        ("z = n = 2 or s = ' ';", [1.0, 1.0, 1.0]),
        ("z = cmiss(of _character_);", [0.0, 1.0, 1.0]),
        ("z = cmiss(x, s) + nmiss(of x);", [0.0, 3.0, 1.0]),
        ("z = choosen(missing(x) + 1, (x ^= 0), .);", [1.0, None, 1.0]),
        ("z = choosen(missing(x)+1, min(2, max(1.5, x)), .);", [2.0, None, 1.5]),
        ("z = lengthn(s) > 0;", [1.0, 0.0, 0.0]),
        ("z = 'with a \"quote\"';", ['with a "quote"'] * 3),
        ("/* nothing */ z = 1; ;", [1.0, 1.0, 1.0]),
    ],
)
def test_programs_compute_what_the_data_step_would(program: str, expected: list[Any]) -> None:
    assert [row[0] for row in computed(program, "z")] == pytest.approx(expected)


def test_the_folder_and_the_name_of_a_file_are_found_as_the_clients_do() -> None:
    program = (
        "length _filename_0 varchar(*); _loc1 = LENGTH(_path_) - INDEX(REVERSE(_path_),'/')+2; "
        "_filename_0 = SUBSTR(_path_,_loc1); i=find(_path_,'/',-length(_path_)); "
        "length _fName_ varchar(*); length _label_ varchar(*); "
        "_fName_=substr(_path_, i+length('/'), length(_path_)-i);_label_=scan(_path_,-2,'/');"
    )

    found = computed(program, "_filename_0", "_fName_", "_label_", where="_label_ ne ' '")

    assert found == [("1_2.jpg", "1_2.jpg", "cats"), ("7.png", "7.png", "dogs")]


def test_a_suffix_is_put_before_the_dot_as_the_clients_do() -> None:
    program = (
        "length f varchar(*); x1=1; dot_loc = LENGTH(_path_) - INDEX(REVERSE(_path_),'.')+1; "
        "f = SUBSTR(_path_,1,dot_loc-1) || compress('_'||x1||'_'||n||SUBSTR(_path_,dot_loc));"
    )

    assert computed(program, "f")[1] == ("/data/dogs/7_1_5.png",)


def test_fixed_parts_are_cut_out_as_the_clients_do() -> None:
    program = (
        "length idjoin $ 19; fn=scan(_path_,3,'/'); "
        "idjoin = inputc(substr(fn, 1, length(fn)-4),'19.');"
    )

    assert computed(program, "idjoin")[:2] == [("1_2",), ("7",)]


def test_random_numbers_follow_their_seed() -> None:
    seeded = "call streaminit(7); z = rand('UNIFORM'); y = rand('normal', 10, 0.001);"

    first, second = computed(seeded, "z", "y"), computed(seeded, "z", "y")

    assert first == second
    assert len({row[0] for row in first}) == 3
    assert all(0 <= row[0] < 1 and 9.9 < row[1] < 10.1 for row in first)
    assert computed("call streaminit(-1); z = rand('uniform');", "z") != first


def test_a_computed_column_may_take_the_place_of_a_column() -> None:
    found = plan(Query(computed=("N",), program="n = n + 1;"), ROWS.schema)

    (batch,) = run(found, [ROWS.select(list(found.reads))])

    assert batch.schema.names == ["x", "n", "_path_", "s"]
    assert batch.column("n").to_pylist() == [3.0, 6.0, 8.0]


def test_without_names_all_that_is_assigned_becomes_a_column() -> None:
    found = plan(Query(program="a = 1; b = 'x';"), ROWS.schema)

    assert found.schema.names[-2:] == ["a", "b"]
    assert found.schema.types[-2:] == [pa.float64(), pa.string()]


@pytest.mark.parametrize(
    ("program", "names", "error", "message"),
    [
        (
            "z = x",
            ("y",),
            InvalidParameters,
            (
                r"^parameter 'computedVars' got 'y', which the program does not assign; it assigns "
                r"z$"
            ),
        ),
        (
            "",
            ("y",),
            InvalidParameters,
            r"^parameter 'computedVars' got 'y', which .*; it assigns nothing$",
        ),
        ("z = xx;", ("z",), ColumnNotFound, r"^the table has no column 'xx'; did you mean 'x'\?$"),
        (
            "z = reverse(scan(xx, 1));",
            ("z",),
            ColumnNotFound,
            r"^the table has no column 'xx'; did you mean 'x'\?$",
        ),
        (
            "z = 1\ny = 2;",
            ("z",),
            InvalidExpression,
            r"^the program of computed columns at line 2, column 1 got 'y', expected ",
        ),
        (
            "legnth z $ 3;",
            ("z",),
            InvalidExpression,
            r"at line 1, column 8 got 'z', expected .*; did you mean 'length'\?$",
        ),
        (
            "label z 'a';",
            ("z",),
            NotSupportedError,
            r"^the program .* got the statement 'label', which is not supported yet$",
        ),
        (
            "z = 1; output;",
            ("z",),
            NotSupportedError,
            (
                r"^the program of computed columns at line 1, column 8 got the statement 'output', "
                r"which belongs to the DATA step; expected an assignment, if, do, length, array or "
                r"call$"
            ),
        ),
        (
            "call symput('a', 1); z = 1;",
            ("z",),
            NotSupportedError,
            r"at line 1, column 1 calls the routine 'symput', which is not supported yet; ",
        ),
        (
            "call streaminit(); z = 1;",
            ("z",),
            InvalidExpression,
            r"at line 1, column 1 calls 'streaminit' with 0 arguments, expected 1$",
        ),
        (
            "array a[3] x n; z = a[1];",
            ("z",),
            InvalidExpression,
            r"at line 1, column 1 gives the array 'a' 2 elements, expected 3$",
        ),
        (
            "array a x s; z = a[1];",
            ("z",),
            InvalidExpression,
            r"at line 1, column 1 gives the array 'a' numbers and text$",
        ),
        (
            "array a[99999]; z = a[1];",
            ("z",),
            InvalidExpression,
            r"gives the array 'a' 99999 elements, expected 1 to 10000$",
        ),
        (
            "z = q[1];",
            ("z",),
            InvalidExpression,
            r"at line 1, column 5 got 'q', which is no array$",
        ),
        ("q[1] = 1; z = 1;", ("z",), InvalidExpression, r"got 'q', which is no array$"),
        (
            "length x $ 3; z = 1;",
            ("z",),
            InvalidExpression,
            r"at line 1, column 1 gives 'x' the length of text, but it holds number$",
        ),
        (
            "z = sum(of x1-y3);",
            ("z",),
            InvalidExpression,
            r"^the list of names at line 1, column 12 got x1-y3, expected one such as x1-x5$",
        ),
    ],
)
def test_what_is_no_program_is_refused(
    program: str, names: tuple[str, ...], error: type[EngineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        computed(program, *names)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("array a x n; z = a[n];", r"got the element 5\.0 of the array 'a', expected 1 to 2$"),
        ("z = rand('nothing');", r"^the distribution 'nothing' is not known, expected 'uniform', "),
        (
            "z = rand('uniform', 1, 2, 3);",
            r"^the distribution 'uniform' got \[1\.0, 2\.0, 3\.0\], ",
        ),
    ],
)
def test_what_fails_on_a_value_is_told(program: str, message: str) -> None:
    with pytest.raises(InvalidExpression, match=message):
        computed(program, "z")


def test_a_loop_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actions.language.running.MOST_TURNS", 100)
    message = r"at line 1, column 8 made more than 100 turns of a loop, expected fewer$"

    with pytest.raises(InvalidExpression, match=message):
        computed("z = 1; do while(z); z = 2; end;", "z")


class TestInTables:
    @pytest.fixture(autouse=True)
    def pets(self, ctx: Context) -> None:
        put(ctx, "pets", {"kind": ["cat", "dog", "cat"], "age": [3, 1, 9]})

    def test_any_action_reads_computed_columns(self, run: Run, ctx: Context) -> None:
        table = {
            "name": "pets",
            "computedVars": ["old", {"name": "word"}],
            "computedVarsProgram": ["old = age > 2", "word = upcase(kind)"],
            "where": "old",
        }

        rows = run("table.fetch", table=table).tables["Fetch"].records()
        counts = run("simple.freq", table=table, inputs="word").tables["Frequency"].rows
        run("table.partition", table=table, casOut="copy")

        assert [(row["age"], row["old"], row["word"]) for row in rows] == [
            (3, 1.0, "CAT"),
            (9, 1.0, "CAT"),
        ]
        assert counts == (("word", "CAT", "CAT", 1, 2.0),)
        assert rows_of(ctx, "copy")[0] == {"kind": "cat", "age": 3, "old": 1.0, "word": "CAT"}

    def test_the_short_names_of_the_clients_are_understood(self, run: Run) -> None:
        table = {"name": "pets", "compVars": "d", "compPgm": "d = age * 2;", "vars": "d"}

        rows = run("table.fetch", table=table, sortBy="d").tables["Fetch"].rows

        assert rows == ((2.0,), (6.0,), (18.0,))

    def test_groups_may_be_computed(self, run: Run) -> None:
        table = {"name": "pets", "compPgm": "odd = mod(age, 2) = 1;", "groupBy": "odd"}

        answer = run("simple.summary", table=table, inputs="age", subSet="N")

        assert answer.tables["ByGroup1.Summary"].rows == (("age", 3.0),)


NUMBERS = st.sampled_from([None, -2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0])
TEXTS = st.sampled_from([None, "", "a", "b ", "ab", "Ab c", "  x"])
LEAVES = st.sampled_from(["a", "b", "1", "0", "-2.5", ".", "(a > b)", "length(s)", "index(s, 'b')"])
SIGNS = st.sampled_from(["+", "-", "*", "/", "<", "<=", "=", "ne", "and", "or"])
TESTS = st.sampled_from(
    ["s = 'ab'", "s < t", "upcase(s) >= t", "s in ('a', 'b')", "strip(s) || t = 'xa'"]
)
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, SIGNS, inner).map(" ".join).map("({})".format),
        inner.map("abs({})".format),
        inner.map("missing({})".format),
        inner.map("sqrt({})".format),
        inner.map("({} in (1, ., 7))".format),
        st.tuples(inner, inner).map(", ".join).map("max({})".format),
        st.tuples(inner, inner, inner).map(", ".join).map("ifn({})".format),
        TESTS.map("({})".format),
    ),
    max_leaves=8,
)


@settings(max_examples=25)
@given(
    formula=FORMULAS,
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS), min_size=1, max_size=6),
)
def test_sql_and_rows_give_the_same(formula: str, rows: list[tuple[Any, ...]]) -> None:
    kinds = [pa.float64(), pa.float64(), pa.string(), pa.string()]
    columns = [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(kinds)]
    batch = pa.RecordBatch.from_arrays(columns, names=["a", "b", "s", "t"])
    by_sql = plan_computing(batch.schema, "the table", formula, ("z",), f"z = {formula};")
    assert by_sql.sql is not None

    found = plan(Query(formula, ("z",), computed=("z",), program=f"z = {formula};"), batch.schema)
    sql = [
        row["z"]
        for part in run(found, [batch.select(list(found.reads))])
        for row in part.to_pylist()
    ]

    condition = (parse_condition(formula), formula)
    program = RowProgram(
        batch.schema, "the table", condition, parse_program(f"z = {formula};"), ("z",)
    )
    keep, (values,) = program.run(batch)
    assert sql == pytest.approx(values.filter(keep).to_pylist())
