"""Tables that are copied, added to, shuffled, renamed, and whose columns change."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from actions.context import Context
from actions.errors import (
    ColumnNotFound,
    Conflict,
    FileNotFound,
    InvalidParameters,
    PathForbidden,
    TableExists,
    TableNotFound,
    WrongKind,
)
from actions.memory import MemoryStores
from actions.params import TableRef
from actions.ports import Name
from actions.reading import open_table
from actions.writing import rewrite
from engine.errors import NotSupportedError
from tests.actions.house import SMALL_CNN, Run, build, nothing_changes, put, rows_of


@pytest.fixture(autouse=True)
def cats(ctx: Context) -> None:
    put(ctx, "cats", {"name": ["Tom", "Kit", None], "age": [1, 2, 3]})


class TestCopies:
    def test_a_whole_model_stays_a_model(self, run: Run, ctx: Context) -> None:
        build(run, SMALL_CNN)

        run("table.copyTable", table="net", casOut="twin")

        assert ctx.tables.find(Name("twin")).kind == "model"
        assert ctx.models.load(Name("twin")).graph == ctx.models.load(Name("net")).graph

    def test_a_part_is_data(self, run: Run, ctx: Context) -> None:
        answer = run("table.copyTable", table={"name": "cats", "where": "age = 2"}, casOut="kits")

        assert answer.values == {"caslib": "CASUSER", "tableName": "kits"}
        assert rows_of(ctx, "kits") == [{"name": "Kit", "age": 2}]


class TestAppend:
    def test_columns_go_by_name_and_missing_ones_stay_missing(self, run: Run, ctx: Context) -> None:
        put(ctx, "more", {"AGE": [4.0], "weight": [5]})

        answer = run("table.append", source="more", target="cats")

        assert answer.values["rowsAppended"] == 1
        assert rows_of(ctx, "cats")[3] == {"name": None, "age": 4}

    def test_a_target_that_is_not_there_is_made(self, run: Run, ctx: Context) -> None:
        run("table.append", source={"name": "cats", "where": "age > 1"}, target="old")

        assert [row["age"] for row in rows_of(ctx, "old")] == [2, 3]

    def test_text_does_not_go_into_numbers(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        put(ctx, "more", {"age": ["five"]})

        message = (
            r"^column 'age' got string in the table 'more' and int64 in the table 'cats', "
            r"expected types that go together$"
        )
        with nothing_changes(stores), pytest.raises(InvalidParameters, match=message):
            run("table.append", source="more", target="cats")
        put(ctx, "more", {"age": [b"5"]})
        with pytest.raises(InvalidParameters, match=r"^column 'age' got binary in the table"):
            run("table.append", source="more", target="cats")
        put(ctx, "more", {"age": [0.5]})
        with pytest.raises(InvalidParameters, match=r"^column 'age' got a value that is no int64"):
            run("table.append", source="more", target="cats")


class TestShuffle:
    def test_every_row_is_there_once_in_another_order(self, run: Run, ctx: Context) -> None:
        put(ctx, "many", {"id": list(range(100))})

        run("table.shuffle", table="many", casOut={"name": "many", "replace": True}, seed=7)

        ids = [row["id"] for row in rows_of(ctx, "many")]
        assert ids != list(range(100))
        assert sorted(ids) == list(range(100))
        assert ctx.tables.schema(ctx.tables.find(Name("many"))).names == ["id"]

    def test_a_seed_gives_the_same_order_again(self, run: Run, ctx: Context) -> None:
        put(ctx, "many", {"id": list(range(100))})
        for name in ("one", "two"):
            run("table.shuffle", table="many", casOut=name, seed=7)

        assert rows_of(ctx, "one") == rows_of(ctx, "two")


class TestColumns:
    def test_columns_are_renamed_dropped_and_reordered(self, run: Run, ctx: Context) -> None:
        put(ctx, "cats", {"name": ["Tom"], "age": [1], "owner": ["Ann"]})

        answer = run(
            "table.alterTable",
            name="cats",
            columns=[{"name": "AGE", "rename": "years"}],
            drop="owner",
            columnOrder=["age"],
            rename="felines",
            label="all of them",
        )

        assert answer.values == {"caslib": "CASUSER", "tableName": "felines"}
        assert rows_of(ctx, "felines") == [{"years": 1, "name": "Tom"}]
        assert ctx.tables.find(Name("felines")).label == "all of them"
        with pytest.raises(TableNotFound):
            ctx.tables.find(Name("cats"))

    def test_columns_may_be_kept(self, run: Run, ctx: Context) -> None:
        run("table.alterTable", name="cats", keep=["age"])
        assert rows_of(ctx, "cats")[0] == {"age": 1}

    def test_formats_of_texts_change_nothing(self, run: Run, ctx: Context) -> None:
        before = rows_of(ctx, "cats")
        run("table.alterTable", name="cats", columns={"name": "name", "format": "$10."})
        assert rows_of(ctx, "cats") == before

    def test_other_formats_are_refused(self, run: Run) -> None:
        message = (
            "the format 'BEST12.' of column 'age' of table.alterTable is not supported yet, "
            "expected one of texts, as '$10.'"
        )
        with pytest.raises(NotSupportedError, match=f"^{re.escape(message)}$"):
            run("table.alterTable", name="cats", columns={"name": "age", "format": "BEST12."})

    def test_a_global_table_stays_global(self, run: Run, ctx: Context) -> None:
        run("table.promote", name="cats")
        run("table.alterTable", name="cats", columns={"name": "name", "drop": True})

        assert ctx.tables.find(Name("cats")).scope == "global"
        assert rows_of(ctx, "cats")[0] == {"age": 1}

    def test_a_model_is_renamed_but_has_no_columns_to_change(
        self, run: Run, ctx: Context, stores: MemoryStores
    ) -> None:
        build(run, SMALL_CNN)
        message = (
            r"^the table 'net' in caslib 'CASUSER' is a model table, expected a data table; "
            r"copy its rows with table\.partition and a where$"
        )
        with nothing_changes(stores), pytest.raises(WrongKind, match=message):
            run("table.alterTable", name="net", drop="_DLKey0_")

        run("table.alterTable", name="net", rename="network")

        assert ctx.models.load(Name("network")).graph.name == "net"

    @pytest.mark.parametrize(
        ("raw", "error", "message"),
        [
            ({"drop": "agee"}, ColumnNotFound, r"^the table 'cats' has no column 'agee'; "),
            (
                {"drop": ["name", "age"]},
                InvalidParameters,
                r"^the table 'cats' would have no column left, expected at least one$",
            ),
            (
                {"columns": [{"name": "name", "rename": "Age"}]},
                InvalidParameters,
                r"^the table 'cats' would have two columns 'age', expected different names$",
            ),
            ({"rename": "dogs"}, TableExists, r"^the table 'dogs' exists in caslib 'CASUSER'; "),
        ],
    )
    def test_what_is_wrong_is_named(
        self,
        run: Run,
        ctx: Context,
        stores: MemoryStores,
        raw: dict[str, str],
        error: type[Exception],
        message: str,
    ) -> None:
        put(ctx, "dogs", {"name": ["Rex"]})
        with nothing_changes(stores), pytest.raises(error, match=message):
            run("table.alterTable", name="cats", **raw)

    def test_a_table_that_was_changed_meanwhile_is_left_alone(self, ctx: Context) -> None:
        table = open_table(ctx, TableRef(name="cats"))

        def batches() -> list[pa.RecordBatch]:
            put(ctx, "cats", {"name": ["new"], "age": [0]})
            return []

        message = (
            r"^the table 'cats' in caslib 'CASUSER' was changed by another session; try again$"
        )
        with pytest.raises(Conflict, match=message):
            rewrite(ctx, table.info, table.schema, (each for each in batches()))
        assert rows_of(ctx, "cats") == [{"name": "new", "age": 0}]


class TestSources:
    def test_a_file_is_deleted_and_the_table_stays(self, run: Run, ctx: Context) -> None:
        run("table.save", table="cats", name="cats.csv")

        answer = run("table.deleteSource", source="cats.csv")

        assert answer.values == {"caslib": "CASUSER", "source": "cats.csv"}
        assert run("table.fileInfo").tables["FileInfo"].rows == ()
        assert len(rows_of(ctx, "cats")) == 3

    def test_what_is_not_there_is_told_unless_quiet(self, run: Run) -> None:
        assert run("table.deleteSource", source="none.csv", quiet=True).values == {}
        with pytest.raises(FileNotFound, match=r"^caslib 'CASUSER' has no file 'none\.csv'$"):
            run("table.deleteSource", source="none.csv")

    def test_a_folder_stays(self, run: Run, ctx: Context) -> None:
        folder = Path(ctx.caslibs.find(None).path, "pets")
        folder.mkdir()
        message = r"^the path 'pets' is a folder, expected a file inside caslib 'CASUSER'$"
        with pytest.raises(PathForbidden, match=message):
            run("table.deleteSource", source="pets")
        assert folder.is_dir()


def test_the_storage_of_a_table_is_told(run: Run, ctx: Context) -> None:
    row = run("table.tableDetails", name="CATS").tables["TableDetails"].records()[0]

    assert (row["Rows"], row["DeletedRows"], row["AllocatedMemory"]) == (3, 0, 0)
    assert row["DataSize"] == ctx.tables.find(Name("cats")).size_bytes
    with pytest.raises(TableNotFound, match=r"^no table is named 'dogs' in caslib 'CASUSER'$"):
        run("table.tableDetails", name="dogs")


def test_a_caslib_is_asked_for_by_the_name_as_written(run: Run) -> None:
    assert run("table.queryCaslib", caslib="Public").values == {"Public": True}
    assert run("table.queryCaslib", caslib="CASUSERHDFS").values == {"CASUSERHDFS": False}


def test_caslibs_are_chosen_by_the_kind_of_their_source(run: Run) -> None:
    def names(**raw: str | bool) -> list[object]:
        table = run("table.caslibInfo", **raw).tables["CASLibInfo"]
        return [row["Name"] for row in table.records()]

    assert names(srcType="path") == ["CASUSER", "PUBLIC"]
    assert names(srcType="HDFS") == []
    assert names(active=True) == ["CASUSER"]
    row = run("table.caslibInfo", caslib="PUBLIC").tables["CASLibInfo"].records()[0]
    assert str(row["Path"]).endswith("/public/")
    assert (row["Active"], row["Personal"], row["Local"], row["Subdirs"]) == (0, 0, 0, 1)
