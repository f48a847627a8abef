"""Tables that are links to files, through the actions."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from actions.context import Context
from actions.errors import Conflict, FileNotFound, InvalidFile, InvalidParameters, PathForbidden
from actions.memory import MemoryStores
from actions.ports import Caslib, Name
from actions.results import Cell
from engine.errors import EngineError
from tests.actions.house import Run, nothing_changes, picture, rows_of

PEOPLE = "name,age\nAda,36\nAlan,41\nGrace,\n"


@pytest.fixture
def folder(ctx: Context) -> Path:
    """The folder of the active caslib."""
    return ctx.caslibs.find(None).path


@pytest.fixture
def people(run: Run, folder: Path) -> Path:
    """A file that the table ``people`` is a link to."""
    file = folder / "people.csv"
    file.write_text(PEOPLE)
    run("table.loadTable", path="people.csv", link=True)
    return file


def only(run: Run, action: str, **raw: Any) -> list[dict[str, Cell]]:
    """Return the rows of the one table an action answers with."""
    (table,) = run(action, **raw).tables.values()
    return table.records()


def test_a_link_is_made_and_nothing_is_stored(run: Run, stores: MemoryStores, folder: Path) -> None:
    (folder / "people.csv").write_text(PEOPLE)

    made = only(run, "table.loadTable", path="people.csv", casOut="folk", link=True)

    assert made == [{"casLib": "CASUSER", "Name": "folk", "Rows": 3, "Columns": 2}]
    assert [table.content.batches for table in stores.tables] == [[]]


@pytest.mark.usefixtures("people")
def test_rows_of_a_link_are_fetched_filtered_ordered_and_counted(run: Run) -> None:
    assert only(run, "table.fetch", table="people", to=2) == [
        {"name": "Ada", "age": 36},
        {"name": "Alan", "age": 41},
    ]
    assert only(run, "table.fetch", table="people", offset=2, fetchVars=["age"]) == [{"age": None}]
    assert only(
        run, "table.fetch", table={"name": "people", "where": "age > 0"}, sortBy=["name desc"]
    ) == [{"name": "Alan", "age": 41}, {"name": "Ada", "age": 36}]
    assert only(run, "table.recordCount", table="people") == [{"N": 3}]
    assert only(run, "table.recordCount", table={"name": "people", "where": "age > 36"}) == [
        {"N": 1}
    ]


@pytest.mark.usefixtures("people")
def test_the_columns_of_a_link_are_those_of_its_file(run: Run) -> None:
    found = only(run, "table.columnInfo", table="people")

    assert [(row["Column"], row["Type"]) for row in found] == [
        ("name", "varchar"),
        ("age", "int64"),
    ]


@pytest.mark.usefixtures("people")
def test_the_catalogue_says_where_a_link_lies(run: Run) -> None:
    run("table.partition", table="people", casOut="copy")

    found = {row["Name"]: row for row in only(run, "table.tableInfo")}

    link, copy = found["PEOPLE"], found["COPY"]
    assert (link["SourceName"], link["SourceCaslib"]) == ("people.csv", "CASUSER")
    assert (link["Kind"], link["Rows"], link["Size"]) == ("data", 3, len(PEOPLE))
    assert (copy["SourceName"], copy["SourceCaslib"]) == (None, None)


def test_a_copy_of_a_link_outlives_the_file(run: Run, ctx: Context, people: Path) -> None:
    run("table.partition", table="people", casOut={"name": "people", "replace": True})
    people.unlink()

    assert len(rows_of(ctx, "people")) == 3


@pytest.mark.usefixtures("people")
def test_a_link_is_saved_as_another_file(run: Run, ctx: Context) -> None:
    run("table.save", table="people", name="people.parquet")
    run("table.loadTable", path="people.parquet", casOut="again", link=True)

    assert rows_of(ctx, "again") == rows_of(ctx, "people")


def test_a_link_is_promoted_and_dropped_and_its_file_stays(
    run: Run, stores: MemoryStores, people: Path
) -> None:
    run("table.promote", name="people")

    other = stores.context(stores.context().sessions.create("bob", "his"))
    assert len(rows_of(other, "people")) == 3

    run("table.dropTable", name="people")

    assert stores.tables == []
    assert people.read_text() == PEOPLE


def test_a_link_is_trained_on_and_scored(run: Run, folder: Path) -> None:
    x = np.linspace(-1, 1, 64)
    points = pa.table({"x": x.tolist(), "label": ["left" if each < 0 else "right" for each in x]})
    parquet.write_table(points, folder / "points.parquet", row_group_size=10)
    for name, link in (("linked", True), ("stored", False)):
        run("table.loadTable", path="points.parquet", casOut=name, link=link)
    layers = [
        {"name": "data", "layer": {"type": "input", "std": "STD"}},
        {"name": "out", "layer": {"type": "output"}, "srcLayers": "data"},
    ]
    run("castorch.declareModel", modelTable="net", layers=layers)

    histories = [
        run(
            "deepLearn.dlTrain",
            table=name,
            modelTable="net",
            modelWeights=f"{name}_weights",
            inputs="x",
            target="label",
            seed=3,
            optimizer={"miniBatchSize": 8, "maxEpochs": 3},
        )
        .tables["OptIterHistory"]
        .rows
        for name in ("linked", "stored")
    ]
    scored = run(
        "deepLearn.dlScore", table="linked", modelTable="net", initWeights="linked_weights"
    )

    losses = [[row[2] for row in history] for history in histories]
    assert losses[0] == losses[1]
    assert scored.tables["ScoreInfo"].rows[0][1] == "64"


def test_a_changed_file_fails_every_reading_until_it_is_loaded_again(
    run: Run, ctx: Context, people: Path
) -> None:
    people.write_text(PEOPLE + "Edsger,72\n")

    message = r"^the table 'people' is a link to 'people.csv' and got a file of 41 bytes changed "
    with pytest.raises(Conflict, match=message):
        run("table.fetch", table="people")
    with pytest.raises(Conflict, match=message):
        run("table.save", table="people", name="copy.csv")
    assert not (people.parent / "copy.csv").exists()
    assert len(only(run, "table.columnInfo", table="people")) == 2

    replaced = {"name": "people", "replace": True}
    run("table.loadTable", path="people.csv", casOut=replaced, link=True)
    assert len(rows_of(ctx, "people")) == 4


def test_a_file_that_was_removed_fails_a_copy_which_leaves_nothing(
    run: Run, stores: MemoryStores, people: Path
) -> None:
    people.unlink()

    message = r"^the table 'people' is a link to 'people.csv' and got no such file in caslib 'CASU"
    with nothing_changes(stores), pytest.raises(FileNotFound, match=message):
        run("table.partition", table="people", casOut="copy")


BOTH = "parameters 'link' and {0!r} got both, expected one of them; a link is the whole file, "
OTHER = "expected a Parquet file or delimited text; load it without link"


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        ({"path": "../x.csv"}, PathForbidden, "the path '../x.csv' climbs with '..', expected a "),
        ({"path": "nil.csv"}, FileNotFound, "caslib 'CASUSER' has no file 'nil.csv'"),
        (
            {"path": "d.csv", "where": "a > 1"},
            InvalidParameters,
            BOTH.format("where") + "give 'where' when it is read",
        ),
        (
            {"path": "d.csv", "vars": "a"},
            InvalidParameters,
            BOTH.format("vars") + "give 'vars' when it is read",
        ),
        (
            {"path": "d.json"},
            InvalidParameters,
            f"parameter 'link' got 'd.json', a file of type JSON, {OTHER}",
        ),
        (
            {"path": "pets"},
            InvalidParameters,
            f"parameter 'link' got the folder 'pets', {OTHER}",
        ),
        (
            {"path": "d.csv", "importOptions": {"fileType": "PARQUET"}},
            InvalidFile,
            "the file cannot be read as Parquet: ",
        ),
        ({"path": "torn.csv"}, InvalidFile, "the file cannot be read as utf-8 text delimited by "),
        (
            {"path": "d.csv", "caslib": "shelf", "casOut": {"name": "t", "promote": True}},
            InvalidParameters,
            "the table 't' cannot be global: it is a link to a file of caslib 'shelf', ",
        ),
    ],
)
def test_what_cannot_be_linked_leaves_nothing_behind(
    run: Run,
    ctx: Context,
    stores: MemoryStores,
    folder: Path,
    tmp_path: Path,
    raw: dict[str, Any],
    error: type[EngineError],
    message: str,
) -> None:
    shelf = tmp_path / "shelf"
    for each in (shelf, folder / "pets"):
        each.mkdir()
    ctx.caslibs.add(Caslib("shelf", shelf, "session"))
    for each in (folder, shelf):
        (each / "d.csv").write_text("a,b\n1,x\n")
    (folder / "pets" / "1.png").write_bytes(picture(np.zeros((2, 2))))
    (folder / "d.json").write_text('[{"a": 1}]')
    (folder / "torn.csv").write_text("a,b\n1,x\n2\n")

    with nothing_changes(stores), pytest.raises(error, match=f"^{re.escape(message)}"):
        run("table.loadTable", link=True, **({"casOut": "t"} | raw))


def test_a_link_without_a_word_is_loaded_as_ever(run: Run, ctx: Context, folder: Path) -> None:
    (folder / "d.csv").write_text("a\n1\n")

    run("table.loadTable", path="d.csv", link=False)
    (folder / "d.csv").unlink()

    assert rows_of(ctx, "d") == [{"a": 1}]
    assert ctx.tables.find(Name("d")).attributes == {}
