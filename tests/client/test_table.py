from pathlib import Path

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from castorch import InvalidInput, TableNotFound
from castorch._table import Inbox
from tests.client.fakes import FakeServer, answered, error, table

ROWS = "/v1/tables/my%20digits/rows"
DATA = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})


def as_stream(data: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data, max_chunksize=2)
    return bytes(sink.getvalue())


def arrow_server() -> FakeServer:
    content = as_stream(DATA)
    pieces = [content[i : i + 7] for i in range(0, len(content), 7)]
    return FakeServer(
        {"GET /v1/tables/t/rows": lambda _: httpx.Response(200, content=iter(pieces))}
    )


def test_a_page_of_rows_is_asked_for_by_address_and_query() -> None:
    server = FakeServer({"GET /v1/tables/my digits/rows": table("a:int64", [1])})
    digits = server.session().table("my digits", "public")

    page = digits.fetch(["a", "b"], where="a > 0", order_by=["a desc"], offset=10, limit=5)

    assert page.rows == ((1,),)
    assert server.last.url.raw_path.decode().startswith(ROWS + "?")
    assert dict(server.last.url.params) == {
        "caslib": "public",
        "columns": "a,b",
        "where": "a > 0",
        "orderBy": "a desc",
        "from": "10",
        "to": "15",
    }


def test_a_handle_on_some_rows_carries_its_condition_everywhere() -> None:
    server = FakeServer({"GET /v1/tables/t/rows": table("a:int64")})
    some = server.session().table("t").only("a > 1").only("b = 'x'")

    some.fetch(where="c is null")

    assert some.to_wire() == {"name": "t", "where": "(a > 1) and (b = 'x')"}
    assert server.last.url.params["where"] == "((a > 1) and (b = 'x')) and (c is null)"
    assert repr(some) == "Table('t', where=\"(a > 1) and (b = 'x')\")"


def test_all_rows_come_as_arrow_pandas_or_numpy() -> None:
    handle = arrow_server().session().table("t")

    assert handle.to_arrow() == DATA
    pd.testing.assert_frame_equal(handle.to_pandas(), DATA.to_pandas())
    arrays = handle.to_numpy()
    assert arrays["a"].tolist() == [1, 2, 3]
    assert arrays["b"].tolist() == ["x", "y", "z"]


def test_all_rows_are_asked_for_as_an_arrow_stream() -> None:
    server = arrow_server()

    server.session().table("t").to_arrow(["a"], where="a > 1")

    assert server.last.headers["accept"] == "application/vnd.apache.arrow.stream"
    assert dict(server.last.url.params) == {"columns": "a", "where": "a > 1"}


def test_a_table_is_saved_as_csv_as_it_comes(tmp_path: Path) -> None:
    server = FakeServer({"GET /v1/tables/t/rows": lambda _: httpx.Response(200, text="a\n1\n")})

    path = server.session().table("t").save(tmp_path / "t.csv")

    assert path.read_text() == "a\n1\n"
    assert server.last.headers["accept"] == "text/csv"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_is_saved_as_parquet_or_arrow(tmp_path: Path) -> None:
    handle = arrow_server().session().table("t")

    assert pq.read_table(handle.save(tmp_path / "t.parquet")) == DATA
    with pa.ipc.open_stream(handle.save(tmp_path / "t.arrow").read_bytes()) as reader:
        assert reader.read_all() == DATA


def test_a_download_that_fails_leaves_no_file(tmp_path: Path) -> None:
    missing = error("table.not_found", "no table 't'", 404)
    server = FakeServer({"GET /v1/tables/t/rows": missing})

    with pytest.raises(TableNotFound, match=r"^no table 't'$"):
        server.session().table("t").save(tmp_path / "t.csv")

    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_ending_is_refused() -> None:
    with pytest.raises(
        InvalidInput,
        match=r"^the file 't.xlsx' got the ending '.xlsx', "
        r"expected one of .csv, .arrow, .arrows, .parquet, .safetensors$",
    ):
        FakeServer().session().table("t").save("t.xlsx")


def test_rows_and_columns_are_asked_for_when_wanted() -> None:
    server = FakeServer(
        {
            "POST /v1/actions/table.recordCount": answered(RecordCount=table("N:int64", [7])),
            "POST /v1/actions/table.columnInfo": answered(
                ColumnInfo=table("Column Type", ["a", "int64"], ["b", "string"])
            ),
        }
    )
    handle = server.session().table("t")

    assert handle.rows == 7
    assert handle.columns == ["a", "b"]


def test_a_table_can_be_dropped_and_promoted() -> None:
    server = FakeServer(
        {
            "POST /v1/actions/table.dropTable": answered(),
            "POST /v1/actions/table.promote": answered(),
        }
    )
    handle = server.session().table("t", "public")

    assert handle.promote() is handle
    handle.drop()

    assert server.bodies() == [
        ("/v1/actions/table.promote", {"name": "t", "caslib": "public"}),
        ("/v1/actions/table.dropTable", {"name": "t", "caslib": "public"}),
    ]


def test_the_catalogue_entry_of_a_table_is_asked_for() -> None:
    entry = answered(TableInfo=table("Name Rows:int64", ["t", 3]))
    server = FakeServer({"POST /v1/actions/table.tableInfo": entry})

    assert server.session().table("t", "public").info == {"Name": "t", "Rows": 3}
    assert server.bodies()[0][1] == {"name": "t", "caslib": "public"}


def test_a_table_exists_or_does_not() -> None:
    there = answered(TableInfo=table("Name", ["t"]))
    missing = error("table.not_found", "no table 't'", 404)
    server = FakeServer({"POST /v1/actions/table.tableInfo": [there, missing]})
    handle = server.session().table("t")

    assert handle.exists()
    assert not handle.exists()


def test_an_inbox_is_read_to_its_end_whatever_the_pieces() -> None:
    inbox = Inbox(iter([b"ab", b"", b"cde"]))

    assert inbox.readable()
    assert [inbox.read(2), inbox.read(2), inbox.read(2), inbox.read(2)] == [b"ab", b"cd", b"e", b""]
