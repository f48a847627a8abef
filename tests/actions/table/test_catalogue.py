"""The small actions on tables: list, describe, count, drop, promote, copy."""

import pyarrow as pa
import pytest

from actions import run_action
from actions.context import Context
from actions.errors import (
    CaslibNotFound,
    ColumnNotFound,
    InvalidExpression,
    TableExists,
    TableNotFound,
)
from actions.memory import MemoryStores
from tests.actions.house import SMALL_CNN, Run, build, nothing_changes, put, rows_of


@pytest.fixture(autouse=True)
def cats(ctx: Context) -> None:
    put(ctx, "cats", {"name": ["Tom", "Kit", None], "age": [1, 2, 3]})


def test_all_tables_are_listed_with_their_kind(run: Run) -> None:
    build(run, SMALL_CNN[:1])

    listed = run("table.tableInfo").tables["TableInfo"].records()

    assert next((row["Name"], row["Kind"], row["Rows"], row["Global"]) for row in listed) == (
        "CATS",
        "data",
        3,
        0,
    )
    assert [row["Name"] for row in listed] == ["CATS", "NET"]


def test_one_table_may_be_asked_for(run: Run) -> None:
    assert len(run("table.tableInfo", name="CATS").tables["TableInfo"].rows) == 1
    assert len(run("table.tableInfo", table="dogs", quiet=True).tables["TableInfo"].rows) == 0
    with pytest.raises(TableNotFound, match=r"^no table is named 'cat' .*'cats'\?$"):
        run("table.tableInfo", name="cat")
    with pytest.raises(CaslibNotFound, match=r"^no caslib is named 'PUBLICK'; .*'PUBLIC'\?$"):
        run("table.tableInfo", caslib="PUBLICK")


def test_columns_are_described(run: Run) -> None:
    info = run("table.columnInfo", table="cats").tables["ColumnInfo"].records()

    assert [(row["Column"], row["ID"], row["Type"], row["RawLength"]) for row in info] == [
        ("name", 1, "varchar", 3),  # Tom
        ("age", 2, "int64", 8),
    ]
    only = run("table.columnInfo", table="cats", inputs="AGE").tables["ColumnInfo"]
    assert [row["Column"] for row in only.records()] == ["age"]
    with pytest.raises(ColumnNotFound, match=r"^the table 'cats' has no column 'ages'; "):
        run("table.columnInfo", table="cats", inputs="ages")


def test_every_type_has_a_name(run: Run, ctx: Context) -> None:
    empty: dict[str, pa.DataType] = {
        "b": pa.bool_(),
        "d": pa.date32(),
        "t": pa.time32("s"),
        "z": pa.timestamp("us"),
        "f": pa.float32(),
        "x": pa.binary(),
    }
    put(ctx, "kinds", {name: pa.array([], kind) for name, kind in empty.items()})

    info = run("table.columnInfo", table="kinds").tables["ColumnInfo"].records()

    assert [(row["Type"], row["RawLength"]) for row in info] == [
        ("int32", 1),
        ("date", 4),
        ("time", 4),
        ("datetime", 8),
        ("double", 4),
        ("varbinary", 8),
    ]


def test_existing_is_told_from_not_and_from_global(run: Run) -> None:
    assert run("table.tableExists", name="dogs").values == {"exists": 0}
    assert run("table.tableExists", name="cats").values == {"exists": 1}
    run("table.promote", name="cats")
    assert run("table.tableExists", name="cats").values == {"exists": 2}


def test_a_dropped_table_is_gone(run: Run, stores: MemoryStores) -> None:
    assert run("table.dropTable", name="cats").values == {
        "caslib": "CASUSER",
        "tableName": "cats",
    }

    with nothing_changes(stores), pytest.raises(TableNotFound, match=r"^no table is named 'cats'"):
        run("table.dropTable", name="cats")
    assert run("table.dropTable", name="cats", quiet=True).values == {}


def test_a_promoted_table_is_seen_by_other_sessions(run: Run, stores: MemoryStores) -> None:
    other = stores.context(stores.context().sessions.create("local", "other"))
    with pytest.raises(TableNotFound):
        run_action(other, "table.recordCount", {"table": "cats"})

    answer = run("table.promote", name="cats", target="felines")

    assert answer.tables["OutputCasTables"].records()[0]["Name"] == "felines"
    found = run_action(other, "table.recordCount", {"table": "FELINES"})
    assert found.tables["RecordCount"].rows == ((3,),)
    with pytest.raises(TableExists, match=r"^the table 'felines' in caslib 'CASUSER' is global"):
        run("table.promote", name="felines")


def test_rows_are_counted_by_condition(run: Run) -> None:
    assert run("table.recordCount", table="cats").tables["RecordCount"].rows == ((3,),)
    some = {"name": "cats", "where": "age > 1"}
    assert run("table.recordCount", table=some).tables["RecordCount"].rows == ((2,),)


def test_a_part_of_a_table_is_copied(run: Run, ctx: Context) -> None:
    answer = run(
        "table.partition",
        table={"name": "cats", "where": "age ge 2", "vars": ["age", "name"]},
        casOut="old",
    )

    assert rows_of(ctx, "old") == [{"age": 2, "name": "Kit"}, {"age": 3, "name": None}]
    assert answer.values == {"caslib": "CASUSER", "tableName": "old", "rowsTransferred": 2}


def test_a_table_may_be_replaced_by_a_part_of_itself(run: Run, ctx: Context) -> None:
    run(
        "table.partition",
        table={"name": "cats", "where": "name = 'Tom'"},
        casOut={"name": "cats", "replace": True},
    )

    assert rows_of(ctx, "cats") == [{"name": "Tom", "age": 1}]


def test_a_model_may_be_copied_to_data(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN)

    run("table.partition", table={"name": "net", "where": "_DLKey1_ = 'layertype'"}, casOut="k")

    codes = [row["_DLNumVal_"] for row in rows_of(ctx, "k")]
    assert codes == [1, 2, 3, 5]  # input, convo, pool, output


def test_a_copy_that_fails_leaves_nothing_behind(run: Run, stores: MemoryStores) -> None:
    with nothing_changes(stores), pytest.raises(InvalidExpression):
        run("table.partition", table={"name": "cats", "where": "name ="}, casOut="k")
    with nothing_changes(stores), pytest.raises(TableExists):
        run("table.partition", table="cats", casOut="cats")
