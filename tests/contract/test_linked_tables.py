"""Tables that are links to files, in memory and on every database."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from actions.context import Context
from actions.errors import (
    CaslibNotFound,
    ColumnNotFound,
    Conflict,
    FileNotFound,
    InvalidFile,
    InvalidParameters,
    PathForbidden,
    TableExists,
    TableNotFound,
)
from actions.files.detect import ImportOptions
from actions.files.links import link_file
from actions.memory import MemorySessions, MemoryStores
from actions.ports import Caslib, Name, Output
from server.store import SqlStores
from tests.contract.links import CSV, LONG_AGO_NS, View, World, link, numbered, read, write


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        shelves = MemoryStores(tmp_path / "data")
        yield World(
            lambda user: shelves.context(MemorySessions(shelves).create(user, "s")), tmp_path
        )
        return
    stores = SqlStores.open(request.getfixturevalue(f"{request.param}_url"), data=tmp_path / "data")
    yield World(lambda user: stores.for_session(stores.sessions.create(user, "s")), tmp_path)
    stores.close()


@pytest.fixture
def mine(world: World) -> View:
    return world.open("ann")


@pytest.fixture
def folder(mine: View) -> Path:
    return mine.caslibs.find(None).path


def test_a_link_is_a_data_table_that_knows_its_file(mine: View, folder: Path) -> None:
    write(folder / "d.csv")

    made = link(mine, "d.csv", label="three")

    assert made == mine.tables.find(Name("T"), "data")
    assert (made.kind, made.rows, made.columns, made.label) == ("data", 3, 3, "three")
    assert made.size_bytes == len(CSV)
    assert made.attributes == {
        "link": {
            "caslib": "CASUSER",
            "path": "d.csv",
            "size_bytes": len(CSV),
            "modified_ns": LONG_AGO_NS,
            "reading": {"file_type": "CSV", "delimiter": ","},
        }
    }
    schema = mine.tables.schema(made)
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "n": pa.int64(),
        "word": pa.string(),
        "share": pa.float64(),
    }


def test_delimited_text_is_read_where_it_lies(mine: View, folder: Path) -> None:
    write(folder / "d.csv")

    table = link(mine, "d.csv")

    assert read(mine, table) == [
        {"n": 1, "word": "one", "share": 0.5},
        {"n": 2, "word": "two", "share": None},
        {"n": 3, "word": None, "share": 1.5},
    ]
    assert read(mine, table, columns=["share", "n"], first_row=1, rows=1) == [
        {"share": None, "n": 2}
    ]
    assert read(mine, table, first_row=3) == []
    assert sum(batch.num_rows for batch in mine.tables.scan(table, columns=[])) == 3


def test_the_types_of_delimited_text_hold_whatever_is_read(mine: View, folder: Path) -> None:
    # whole numbers in the first rows and columns, and words far below: text from the first row on
    write(folder / "d.csv", "a,b\n" + "1,1\n" * 9000 + "x,1\n")

    table = link(mine, "d.csv")

    assert read(mine, table, rows=1) == [{"a": "1", "b": 1}]
    assert read(mine, table, first_row=9000) == [{"a": "x", "b": 1}]


def test_text_without_names_and_with_tabs_is_read_as_it_was_linked(
    mine: View, folder: Path
) -> None:
    write(folder / "d.tsv", "1\tæ\n")
    (folder / "d.tsv").write_bytes("1\tæ\n".encode("latin-1"))
    options = ImportOptions(get_names=False, encoding="LATIN-1")
    found = link_file(mine.caslibs.find(None), "d.tsv", options)

    table = mine.tables.link(Output(Name("t")), found.schema, found.rows, found.link)

    assert read(mine, table) == [{"Var1": 1, "Var2": "æ"}]


def test_parquet_is_read_where_it_lies(mine: View, folder: Path) -> None:
    numbered(folder / "d.parquet", [4, 1, 5])

    table = link(mine, "d.parquet")

    assert table.rows == 10
    assert [row["n"] for row in read(mine, table)] == list(range(10))
    assert read(mine, table, columns=["a.b", "n"], first_row=3, rows=2) == [
        {"a.b": "w3", "n": 3},
        {"a.b": "w4", "n": 4},
    ]
    assert read(mine, table, first_row=10) == []
    assert sum(b.num_rows for b in mine.tables.scan(table, columns=[], first_row=2, rows=7)) == 7


def test_groups_of_rows_outside_the_range_are_not_read(mine: View, folder: Path) -> None:
    numbered(folder / "d.parquet", [100, 100, 100])
    with parquet.ParquetFile(folder / "d.parquet") as file:
        column = file.metadata.row_group(1).column(0)
        place = column.dictionary_page_offset or column.data_page_offset
    with (folder / "d.parquet").open("r+b") as spoilt:
        spoilt.seek(place)
        spoilt.write(b"\xff" * 40)
    table = link(mine, "d.parquet")

    assert [row["n"] for row in read(mine, table, first_row=200, rows=2)] == [200, 201]
    assert [row["n"] for row in read(mine, table, first_row=98, rows=2)] == [98, 99]
    with pytest.raises(InvalidFile, match=r"^the file cannot be read as Parquet: "):
        read(mine, table, first_row=99, rows=2)


def test_a_file_without_rows_is_a_table_without_rows(mine: View, folder: Path) -> None:
    write(folder / "d.csv", "a,b\n")
    numbered(folder / "d.parquet", [])

    for path in ("d.csv", "d.parquet"):
        table = link(mine, path, replace=True)
        assert (table.rows, table.columns, read(mine, table)) == (0, 2, [])


def test_an_unknown_column_is_refused_before_the_file_is_opened(mine: View, folder: Path) -> None:
    write(folder / "d.csv")
    table = link(mine, "d.csv")

    with pytest.raises(
        ColumnNotFound, match=r"^the table 't' has no column 'wrod'; did you mean 'word'\?$"
    ):
        mine.tables.scan(table, columns=["wrod"])


def test_a_taken_name_is_refused_and_nothing_is_linked(mine: View, folder: Path) -> None:
    write(folder / "d.csv")
    first = link(mine, "d.csv")

    with pytest.raises(
        TableExists,
        match=r"^the table 't' exists in caslib 'CASUSER'; set replace to overwrite it$",
    ):
        link(mine, "d.csv")

    assert mine.tables.list() == [first]


def test_a_changed_file_is_refused_at_once_and_load_again_helps(mine: View, folder: Path) -> None:
    write(folder / "d.csv")
    table = link(mine, "d.csv")
    (folder / "d.csv").write_text("n\n7\n")
    os.utime(folder / "d.csv", ns=(LONG_AGO_NS + 10**9, LONG_AGO_NS + 10**9))

    message = (
        "the table 't' is a link to 'd.csv' and got a file of 4 bytes changed last on "
        "2017-07-14T02:40:01.123456+00:00 in caslib 'CASUSER', expected one of 37 bytes changed "
        "last on 2017-07-14T02:40:00.123456+00:00; load it again"
    )
    with pytest.raises(Conflict, match=f"^{re.escape(message)}$") as caught:
        mine.tables.scan(table)
    assert caught.value.details == {"table": "t", "caslib": "CASUSER", "path": "d.csv"}

    assert read(mine, link(mine, "d.csv", replace=True)) == [{"n": 7}]


def test_a_file_of_the_same_size_that_was_changed_is_refused(mine: View, folder: Path) -> None:
    write(folder / "d.csv")
    table = link(mine, "d.csv")
    (folder / "d.csv").write_text(CSV.replace("one", "eno"))

    with pytest.raises(Conflict, match=r"^the table 't' is a link to 'd.csv' and got a file of 37"):
        mine.tables.scan(table)


@pytest.mark.parametrize("moved", [False, True])
def test_a_file_that_is_gone_is_refused(mine: View, folder: Path, *, moved: bool) -> None:
    write(folder / "d.csv")
    table = link(mine, "d.csv")
    if moved:
        (folder / "d.csv").rename(folder / "e.csv")
    else:
        (folder / "d.csv").unlink()

    message = (
        "the table 't' is a link to 'd.csv' and got no such file in caslib 'CASUSER', expected one "
        "of 37 bytes changed last on 2017-07-14T02:40:00.123456+00:00; put it back or load it again"
    )
    with pytest.raises(FileNotFound, match=f"^{re.escape(message)}$"):
        mine.tables.scan(table)
    if moved:
        (folder / "e.csv").rename(folder / "d.csv")
        assert len(read(mine, table)) == 3


def test_a_file_that_is_changed_while_it_is_read_ends_the_reading(mine: View, folder: Path) -> None:
    numbered(folder / "d.parquet", [10, 10_000])
    reading = mine.tables.scan(link(mine, "d.parquet"))
    next(reading)
    with (folder / "d.parquet").open("r+b") as file:
        file.truncate(100)

    with pytest.raises(Conflict, match=r"^the table 't' is a link to 'd.parquet' and got a file"):
        list(reading)


def test_a_link_in_the_file_system_that_leads_out_is_refused(
    world: World, mine: View, folder: Path
) -> None:
    write(world.root / "secret.csv")
    write(folder / "d.csv")
    table = link(mine, "d.csv")
    (folder / "d.csv").unlink()
    (folder / "d.csv").symlink_to(world.root / "secret.csv")

    with pytest.raises(
        PathForbidden,
        match=r"^the path 'd.csv' leads out of the caslib's folder, expected a path inside caslib "
        r"'CASUSER'$",
    ):
        mine.tables.scan(table)


def test_a_folder_on_the_way_that_leads_out_is_refused(
    world: World, mine: View, folder: Path
) -> None:
    (folder / "sub").mkdir()
    write(folder / "sub" / "d.csv")
    table = link(mine, "sub/d.csv")
    (folder / "sub").rename(world.root / "elsewhere")
    (folder / "sub").symlink_to(world.root / "elsewhere")

    with pytest.raises(PathForbidden, match=r"^the path 'sub/d.csv' leads out of the caslib's"):
        mine.tables.scan(table)


def test_a_path_that_leads_out_after_the_scan_began_is_refused(
    world: World, mine: View, folder: Path
) -> None:
    write(folder / "d.csv")
    reading = mine.tables.scan(link(mine, "d.csv"))
    (folder / "d.csv").rename(world.root / "d.csv")
    (folder / "d.csv").symlink_to(world.root / "d.csv")

    with pytest.raises(PathForbidden, match=r"^the path 'd.csv' leads out of the caslib's folder"):
        next(reading)


def test_dropping_the_table_leaves_the_file(mine: View, folder: Path) -> None:
    write(folder / "d.csv")
    link(mine, "d.csv")

    mine.tables.drop(Name("t"))

    assert (folder / "d.csv").read_text() == CSV
    with pytest.raises(TableNotFound):
        mine.tables.find(Name("t"))


def test_a_link_is_promoted_and_read_by_everybody(world: World, mine: View) -> None:
    write(mine.caslibs.find("PUBLIC").path / "d.csv")
    link(mine, "d.csv", caslib="PUBLIC")

    mine.tables.promote(Name("t"), Output(Name("shared", "PUBLIC")))

    bob = world.open("bob")
    assert len(read(bob, bob.tables.find(Name("shared", "PUBLIC")))) == 3


def test_a_link_stays_with_its_caslib_where_another_hides_its_name(
    world: World, mine: View
) -> None:
    shared = world.caslib(mine, "shelf", in_session=False)
    write(shared / "d.csv")
    found = link_file(mine.caslibs.find("shelf"), "d.csv", ImportOptions())
    output = Output(Name("t", "PUBLIC"), promote=True)
    mine.tables.link(output, found.schema, found.rows, found.link)

    bob = world.open("bob")
    hiding = world.root / "hiding"
    hiding.mkdir()
    if not isinstance(bob, Context):  # in memory, one name is one caslib
        bob.caslibs.add(Caslib("shelf", hiding, "session"))

    assert len(read(bob, bob.tables.find(Name("t", "PUBLIC")))) == 3


@pytest.mark.parametrize("promoted_later", [False, True])
def test_a_link_to_a_file_that_one_session_sees_cannot_be_global(
    world: World, mine: View, *, promoted_later: bool
) -> None:
    write(world.caslib(mine, "shelf") / "d.csv")
    message = (
        "the table 'shared' cannot be global: it is a link to a file of caslib 'shelf', which not "
        "everybody sees; copy it with table.partition"
    )
    refused = pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$")
    if not promoted_later:
        with refused:
            link(mine, "d.csv", "shared", caslib="shelf", promote=True)
        assert mine.tables.list() == []
        return

    link(mine, "d.csv", caslib="shelf")
    with refused:
        mine.tables.promote(Name("t"), Output(Name("shared", "PUBLIC")))
    assert len(read(mine, mine.tables.find(Name("t")))) == 3


def test_a_link_whose_caslib_was_dropped_is_refused(world: World, mine: View) -> None:
    write(world.caslib(mine, "shelf") / "d.csv")
    table = link(mine, "d.csv", caslib="shelf")
    mine.caslibs.drop("shelf")

    with pytest.raises(
        CaslibNotFound,
        match=r"^the table 't' is a link to 'd.csv' in caslib 'shelf', which was dropped, expected "
        r"the caslib to be there; add it and load the file again$",
    ):
        mine.tables.scan(table)
    mine.tables.drop(Name("t"))


def test_a_link_to_a_personal_file_is_global_for_its_user_alone(
    request: pytest.FixtureRequest, world: World, mine: View, folder: Path
) -> None:
    if "memory" in request.node.name:
        pytest.skip("in memory, CASUSER is everybody's")
    write(folder / "d.csv")
    link(mine, "d.csv")

    with pytest.raises(InvalidParameters, match=r"^the table 't' cannot be global: it is a link"):
        mine.tables.promote(Name("t"), Output(Name("t", "PUBLIC")))
    mine.tables.promote(Name("t"), Output(Name("t")))

    again = world.open("ann")
    assert len(read(again, again.tables.find(Name("t")))) == 3
