import re
from datetime import date, datetime, time
from typing import Any

import pytest

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidExpression, TableExists, TableNotFound
from actions.memory import MemoryStores
from engine.errors import EngineError, NotSupportedError
from tests.actions.house import Run, nothing_changes, put, rows_of


@pytest.fixture(autouse=True)
def tables(ctx: Context) -> None:
    put(
        ctx,
        "t",
        {
            "k": [1, 2, 2, None],
            "x": [1.0, 2.0, 4.0, 9.0],
            "s": ["a", "b ", "b", None],
            "d": [date(2024, 1, 31)] * 4,
        },
    )
    put(ctx, "u", {"k": [2, 1, 3, 2], "y": [20.0, 10.0, 30.0, 21.0]})


def made(run: Run, ctx: Context, code: str, table: str = "o") -> list[tuple[Any, ...]]:
    run("dataStep.runCode", code=code)
    return [tuple(row.values()) for row in rows_of(ctx, table)]


class TestReading:
    def test_rows_are_numbered(self, run: Run, ctx: Context) -> None:
        rows = made(run, ctx, "data o; set t; seq=_n_-1; keep x seq; run;")

        assert rows == [(1.0, 0.0), (2.0, 1.0), (4.0, 2.0), (9.0, 3.0)]

    def test_tables_follow_one_another(self, run: Run, ctx: Context) -> None:
        rows = made(run, ctx, "data o; set t(keep=k x) u; run;")

        assert rows == [
            (1, 1.0, None),
            (2, 2.0, None),
            (2, 4.0, None),
            (None, 9.0, None),
            (2, None, 20.0),
            (1, None, 10.0),
            (3, None, 30.0),
            (2, None, 21.0),
        ]

    def test_with_keys_tables_are_interleaved(self, run: Run, ctx: Context) -> None:
        rows = made(run, ctx, "data o; set t(keep=k x) u; by k; drop x y; run;")

        assert [row[0] for row in rows] == [None, 1, 1, 2, 2, 2, 2, 3]

    def test_a_merge_matches_keys_and_repeats_the_last_row_of_a_key(
        self, run: Run, ctx: Context
    ) -> None:
        put(ctx, "one", {"k": [2, 5], "z": ["two", "five"]})

        rows = made(run, ctx, "data o; merge u one; by k; run;")

        assert rows == [
            (1, 10.0, None),
            (2, 20.0, "two"),
            (2, 21.0, "two"),
            (3, 30.0, None),
            (5, None, "five"),
        ]

    def test_a_merge_without_keys_goes_row_by_row(self, run: Run, ctx: Context) -> None:
        put(ctx, "short", {"z": [1.0, 2.0]})

        rows = made(run, ctx, "data o; merge u(keep=y) short; run;")

        assert rows == [(20.0, 1.0), (10.0, 2.0), (30.0, None), (21.0, None)]

    def test_flags_tell_which_tables_have_a_row(self, run: Run, ctx: Context) -> None:
        code = "data o; merge t(in=a keep=x k) u(in=b); by k; if a and b; run;"

        assert made(run, ctx, code) == [(1, 1.0, 10.0), (2, 2.0, 20.0), (2, 4.0, 21.0)]

    def test_the_options_of_a_table_choose_and_rename(self, run: Run, ctx: Context) -> None:
        code = "data o; set t(where=('a b'n > 1) rename=(x='a b'n) drop=s d); if 'a b'n < 9; run;"

        run("dataStep.runCode", code=code)

        assert rows_of(ctx, "o") == [{"k": 2, "a b": 2.0}, {"k": 2, "a b": 4.0}]

    def test_the_last_row_and_their_number_are_known(self, run: Run, ctx: Context) -> None:
        assert made(run, ctx, "data o; set u end=e nobs=n; if e; m = n; keep y m; run;") == [
            (21.0, 4.0)
        ]

    def test_where_chooses_before_groups_are_told_apart(self, run: Run, ctx: Context) -> None:
        code = "data o; set u; where y ne 20; by k; if first.k and last.k; keep y; run;"

        assert made(run, ctx, code) == [(10.0,), (21.0,), (30.0,)]


class TestGroups:
    def test_rows_of_a_group_are_counted(self, run: Run, ctx: Context) -> None:
        code = """
            data o; set u; by k;
            if first.k then c = 0;
            c + 1;
            if last.k then output;
            drop y;
            run;"""

        assert made(run, ctx, code) == [(1, 1.0), (2, 2.0), (3, 1.0)]

    def test_keys_may_descend_and_missing_comes_last_then(self, run: Run, ctx: Context) -> None:
        assert [
            row[0] for row in made(run, ctx, "data o; set t; by descending k; keep x; run;")
        ] == [
            2.0,
            4.0,
            1.0,
            9.0,
        ]

    def test_blanks_at_the_end_make_no_group_of_their_own(self, run: Run, ctx: Context) -> None:
        code = "data o; set t; by s; if first.s; keep x; run;"

        assert made(run, ctx, code) == [(9.0,), (1.0,), (2.0,)]

    def test_an_inner_key_begins_anew_in_every_outer_one(self, run: Run, ctx: Context) -> None:
        put(ctx, "v", {"a": [1, 1, 2, 2], "b": [1, 2, 2, 2]})
        code = "data o; set v; by a b; f = first.b; l = last.b; run;"

        assert made(run, ctx, code) == [(1, 1, 1, 1), (1, 2, 1, 1), (2, 2, 1, 0), (2, 2, 0, 1)]


class TestStatements:
    def test_values_are_retained_and_summed(self, run: Run, ctx: Context) -> None:
        code = "data o; set t; retain best 3; best = max(best, x); total + x; keep best total; run;"

        assert made(run, ctx, code) == [(3.0, 1.0), (3.0, 3.0), (4.0, 7.0), (9.0, 16.0)]

    def test_other_variables_begin_missing_in_every_row(self, run: Run, ctx: Context) -> None:
        code = "data o; set t; if x = 1 then y = 5; keep y; run;"

        assert made(run, ctx, code) == [(5.0,), (None,), (None,), (None,)]

    def test_several_tables_take_their_own_rows(self, run: Run, ctx: Context) -> None:
        code = """data o(drop=s d k) p(keep=x rename=(x=z));
            set t; if x > 2 then output p; else output o; run;"""

        assert made(run, ctx, code) == [(1.0,), (2.0,)]
        assert rows_of(ctx, "p") == [{"z": 4.0}, {"z": 9.0}]

    def test_rows_are_deleted_and_a_step_is_stopped(self, run: Run, ctx: Context) -> None:
        code = "data o; set t; if x = 2 then delete; if x > 4 then stop; keep x; run;"

        assert made(run, ctx, code) == [(1.0,), (4.0,)]

    def test_earlier_values_are_looked_up(self, run: Run, ctx: Context) -> None:
        code = "data o; set t; a = lag(x); b = dif(x); c = lag2(s); keep a b c; run;"

        assert made(run, ctx, code) == [
            (None, None, None),
            (1.0, 1.0, None),
            (2.0, 2.0, "a"),
            (4.0, 5.0, "b "),
        ]

    def test_arrays_go_over_all_numbers(self, run: Run, ctx: Context) -> None:
        code = """data o; set t(drop=d); array _all _numeric_;
            _nObjects_ = (dim(_all)-cmiss(of _all[*]))/2; keep _nObjects_; run;"""

        assert made(run, ctx, code) == [(1.0,), (1.0,), (1.0,), (0.5,)]

    def test_elements_are_assigned_in_loops(self, run: Run, ctx: Context) -> None:
        code = """data o; set u(keep=y); array q[3] q1-q3;
            do i = 1 to dim(q); q[i] = y * i; end; drop i y; run;"""

        assert made(run, ctx, code)[0] == (20.0, 40.0, 60.0)

    def test_a_step_without_input_runs_once(self, run: Run, ctx: Context) -> None:
        assert made(run, ctx, "data o; do i = 1 to 3; y = i**2; output; end; run;") == [
            (1.0, 1.0),
            (2.0, 4.0),
            (3.0, 9.0),
        ]

    def test_retain_sets_the_order_of_columns(self, run: Run, ctx: Context) -> None:
        run("dataStep.runCode", code="data o; retain x k nothing; set t; rename x=first; run;")

        assert list(rows_of(ctx, "o")[0]) == ["first", "k", "s", "d"]

    def test_a_column_that_is_dropped_in_vain_is_told(self, run: Run) -> None:
        answer = run("dataStep.runCode", code="data o; set t; drop x nothing; run;")

        assert [message.text for message in answer.messages] == [
            "drop names 'nothing', which is no variable of the step"
        ]

    def test_a_table_may_replace_itself(self, run: Run, ctx: Context) -> None:
        answer = run("dataStep.runCode", code="data t; set t; x = x * 2; run;")

        assert [row["x"] for row in rows_of(ctx, "t")] == [2.0, 4.0, 8.0, 18.0]
        assert answer.tables["OutputCasTables"].records() == [
            {
                "casLib": "CASUSER",
                "Name": "t",
                "Rows": 4,
                "Columns": 4,
                "Append": "",
                "Promote": "N",
            }
        ]

    def test_a_null_step_makes_nothing(self, run: Run, stores: MemoryStores) -> None:
        with nothing_changes(stores):
            answer = run("dataStep.runCode", code="data _null_; set t; run;")

        assert answer.tables["OutputCasTables"].rows == ()


class TestTypes:
    def test_what_is_not_assigned_keeps_every_digit_and_its_type(
        self, run: Run, ctx: Context
    ) -> None:
        moment = datetime(2024, 1, 31, 12, 30, 0, 123456)  # noqa: DTZ001
        put(ctx, "w", {"i": [2**60 + 1], "m": [moment], "b": [b"\x00\xff"], "f": [True]})

        assert made(run, ctx, "data o; set w; half = i / 2 > 1; run;") == [
            (2**60 + 1, moment, b"\x00\xff", True, 1.0)
        ]

    def test_dates_that_are_assigned_stay_dates(self, run: Run, ctx: Context) -> None:
        code = "data o; set t; d = intnx('month', d, 1, 'e'); n = d; keep d n; run;"

        # 1960-01-01 to 2024-02-29: 64 years with 16 leap days, then 31 + 28 days
        assert made(run, ctx, code)[0] == (date(2024, 2, 29), 64.0 * 365 + 16 + 59)

    def test_text_is_cut_to_its_length(self, run: Run, ctx: Context) -> None:
        code = "data o; length w $ 2 v varchar(*); set u; w = 'abc'; v = 'abc'; keep w v; run;"

        assert made(run, ctx, code)[0] == ("ab", "abc")

    def test_types_of_two_tables_are_joined(self, run: Run, ctx: Context) -> None:
        put(ctx, "a", {"n": [1]})
        put(ctx, "b", {"n": [1.5]})

        assert made(run, ctx, "data o; set a b; run;") == [(1.0,), (1.5,)]


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("", InvalidExpression, r"^the DATA step is empty$"),
        (
            "data o; sett t; run;",
            InvalidExpression,
            r"^the DATA step at line 1, column 14 got 't', expected .*; did you mean 'set'\?$",
        ),
        (
            "data o;\n set t;\n y = xx;\nrun;",
            ColumnNotFound,
            (
                r"^the DATA step at line 3, column 6 got 'xx', which is neither a column of a "
                r"table nor a variable; did you mean 'x'\?$"
            ),
        ),
        (
            "data o; set t; put x; run;",
            NotSupportedError,
            r"^the DATA step at line 1, column 20 got the statement 'put', which is not ",
        ),
        (
            "proc print; run;",
            NotSupportedError,
            r"^the DATA step at line 1, column 1 got the statement 'proc', which is not ",
        ),
        ("data o; set nope; run;", TableNotFound, r"^no table is named 'nope'"),
        ("data o; set t; by z; run;", ColumnNotFound, r"^the table 't' has no column 'z'$"),
        ("data o; set t(keep=q); run;", ColumnNotFound, r"^the table 't' has no column 'q'$"),
        (
            "data o; set t; output p; run;",
            InvalidExpression,
            r"at line 1, column 16 got the table 'p' in output, expected one of o$",
        ),
        (
            "data o; set t; drop k x s d; run;",
            InvalidExpression,
            r"at line 1, column 6 makes the table 'o' without columns, expected at least one$",
        ),
        (
            "data o; set t; rename k=x; run;",
            InvalidExpression,
            r"at line 1, column 6 makes two columns of the name 'x', expected one$",
        ),
        (
            "data o; set t u(rename=(y=s)); run;",
            InvalidExpression,
            r"^the DATA step got the variable 's' as text and as number, expected one of them$",
        ),
        ("data t(replace=no); set t; run;", TableExists, r"^the table 't' exists in caslib"),
        ("data o; set t; run", InvalidExpression, r"at line 1, column 19 got the end, expected "),
        (
            "data o; set t; array a k x; y = a[5]; run;",
            InvalidExpression,
            r"at line 1, column 33 got the element 5\.0 of the array 'a', expected 1 to 2$",
        ),
    ],
)
def test_what_is_no_step_leaves_nothing_behind(
    run: Run, stores: MemoryStores, code: str, error: type[EngineError], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        run("dataStep.runCode", code=code)


class TestFormats:
    def test_numbers_become_the_dates_and_times_their_formats_show(
        self, run: Run, ctx: Context
    ) -> None:
        rows = made(
            run,
            ctx,
            "data o; set t(keep=d s); if _n_ = 1; day = input('29FEB2024', date9.); "
            "at = dhms(day, 1, 2, 3.5); clock = 60; n = 7; "
            "format day yymmdd10. at datetime19. clock time8. n 8.2 s $5.; run;",
        )

        assert rows == [
            (
                *("a", date(2024, 1, 31), date(2024, 2, 29)),
                *(datetime(2024, 2, 29, 1, 2, 3, 500_000), time(0, 1), 7.0),  # noqa: DTZ001
            )
        ]

    def test_a_number_again_is_what_a_date_is_shown_as_without_a_format_of_dates(
        self, run: Run, ctx: Context
    ) -> None:
        rows = made(run, ctx, "data o; set t(keep=d); format d best12.; if _n_ = 1; run;")

        assert rows == [((date(2024, 1, 31) - date(1960, 1, 1)).days,)]

    def test_a_date_keeps_its_type_in_another_format_of_dates(self, run: Run, ctx: Context) -> None:
        rows = made(run, ctx, "data o; set t(keep=d); format d mmddyy10.; if _n_ = 1; run;")

        assert rows == [(date(2024, 1, 31),)]

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (
                "data o; set t; format s date9.; run;",
                (
                    "the DATA step at line 1, column 16 gives 's', which holds text, the format "
                    "'date9.'"
                ),
            ),
            (
                "data o; set t; format x dat9.; run;",
                "the format 'dat9.' is not known; did you mean 'date.'",
            ),
            (
                "data o; set t; x = 1e12; format x date9.; run;",
                "the column 'x' got 1e+12 for a date, expected one in the years 1 to 9999",
            ),
        ],
    )
    def test_a_format_that_does_not_suit_is_refused(
        self, run: Run, stores: MemoryStores, code: str, message: str
    ) -> None:
        with nothing_changes(stores), pytest.raises(InvalidExpression, match=re.escape(message)):
            run("dataStep.runCode", code=code)
