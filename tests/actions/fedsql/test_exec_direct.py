from pathlib import Path

import pytest

from actions.context import Context
from actions.errors import (
    InvalidExpression,
    InvalidParameters,
    TableExists,
    TableNotFound,
    TooLarge,
)
from actions.fedsql import exec_direct
from actions.memory import MemoryStores
from engine.errors import EngineError
from tests.actions.house import Run, nothing_changes, put, rows_of


@pytest.fixture(autouse=True)
def tables(ctx: Context) -> None:
    put(ctx, "pets", {"kind": ["cat", "dog", "cat"], "age": [3, 1, 9]})
    put(ctx, "sounds", {"kind": ["cat", "dog"], "sound": ["meow", "woof"]})


def asked(run: Run, query: str) -> tuple[tuple[object, ...], ...]:
    return run("fedSql.execDirect", query=query).tables["Result Set"].rows


def test_a_query_joins_and_groups_the_tables_of_the_session(run: Run) -> None:
    query = """select sound, count(*) as n, avg(age) as age from PETS p join casuser.sounds s
        on p.kind = s.kind group by sound order by sound;"""

    assert asked(run, query) == (("meow", 2, 6.0), ("woof", 1, 1.0))


def test_a_table_may_be_asked_for_twice_and_names_may_be_local(run: Run) -> None:
    query = """with old as (select * from pets where age > 2)
        select count(*) from old a, old b, pets c"""

    assert asked(run, query) == ((12,),)


def test_decimals_and_great_numbers_are_double(run: Run) -> None:
    (row,) = asked(run, "select sum(age), cast(1.25 as decimal(9, 2)) from pets")

    assert row == (13.0, 1.25)


def test_rows_become_a_table(run: Run, ctx: Context) -> None:
    answer = run("fedSql.execDirect", query="select age from pets where age > 1", casOut="old")
    run("fedSql.execDirect", query="create table young as select * from pets where age = 1")
    run(
        "fedSql.execDirect",
        query='CREATE TABLE casuser."young" {options replace=true} AS SELECT kind FROM pets;',
    )

    assert answer.tables["OutputCasTables"].records()[0]["Rows"] == 2
    assert rows_of(ctx, "old") == [{"age": 3}, {"age": 9}]
    assert len(rows_of(ctx, "young")) == 3


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("select * from nope", TableNotFound, r"^no table is named 'nope'"),
        ("selec 1", InvalidExpression, r"^the query cannot be run: Parser Error: "),
        ("select agee from pets", InvalidExpression, r"^the query cannot be run: Binder Error: "),
        (
            "drop table pets",
            InvalidExpression,
            r"^parameter 'query' got DROP, expected one SELECT or CREATE TABLE AS SELECT$",
        ),
        (
            "select 1; select 2",
            InvalidExpression,
            r"^parameter 'query' got SELECT, SELECT, expected",
        ),
        ("", InvalidExpression, r"^parameter 'query' got nothing, expected one SELECT "),
        ("create table pets as select 1 as a", TableExists, r"^the table 'pets' exists in caslib"),
        (
            "copy (select 1) to 'x.csv'",
            InvalidExpression,
            r"^parameter 'query' got COPY, expected ",
        ),
        ("attach 'x.db'", InvalidExpression, r"^parameter 'query' got ATTACH, expected one SELECT"),
        ("set threads = 1", InvalidExpression, r"^parameter 'query' got SET, expected one SELECT "),
    ],
)
def test_what_is_no_query_changes_nothing(
    run: Run, stores: MemoryStores, query: str, error: type[EngineError], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        run("fedSql.execDirect", query=query)


@pytest.mark.parametrize("call", ["read_text('{}')", "read_csv('{}')", "glob('{}')", "'{}'"])
def test_a_query_reads_no_files(run: Run, tmp_path: Path, call: str) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")

    with pytest.raises((InvalidExpression, TableNotFound)):
        run("fedSql.execDirect", query="select * from " + call.format(file))  # noqa: S608 - meant to be refused


def test_two_tables_to_make_are_refused(run: Run) -> None:
    message = r"^parameters 'query' and 'casOut' got a table to make both, expected one of them$"
    with pytest.raises(InvalidParameters, match=message):
        run("fedSql.execDirect", query="create table a as select 1", casOut="b")


def test_an_answer_that_is_too_great_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_direct, "ANSWER_BYTES", 10)
    with pytest.raises(
        TooLarge, match=r"^the rows got more than 10 bytes, expected at most as many"
    ):
        run("fedSql.execDirect", query="select * from pets")
