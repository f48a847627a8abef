"""Files of caslibs: load, save, list; caslibs themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from actions import run_action
from actions.context import Context
from actions.errors import (
    CaslibNotFound,
    ColumnNotFound,
    Conflict,
    FileNotFound,
    InvalidFile,
    InvalidParameters,
    NotPermitted,
    PathForbidden,
    TableNotFound,
)
from actions.memory import MemoryStores
from actions.ports import Caslib
from actions.results import ActionResult, Json
from engine.errors import Cancelled, EngineError, NotSupportedError
from tests.actions.house import Run, nothing_changes, picture, put, rows_of


@pytest.fixture
def folder(ctx: Context) -> Path:
    """The folder of the active caslib."""
    return ctx.caslibs.find(None).path


class TestLoading:
    def test_a_file_becomes_a_table_of_its_name(self, run: Run, ctx: Context, folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "digits.tsv").write_text("a\tb\n1\tx\n")

        run("table.loadTable", path="sub/digits.tsv")

        assert rows_of(ctx, "digits") == [{"a": 1, "b": "x"}]

    def test_rows_and_columns_are_chosen_while_loading(
        self, run: Run, ctx: Context, folder: Path
    ) -> None:
        (folder / "d.csv").write_text("a,b\n1,x\n2,y\n")

        run("table.loadTable", path="d.csv", casOut="t", where="a > 1", vars="b")

        assert rows_of(ctx, "t") == [{"b": "y"}]

    @pytest.mark.parametrize(
        ("raw", "error", "message"),
        [
            ({"path": "../x.csv"}, PathForbidden, r"^the path '../x.csv' climbs with '..', "),
            ({"path": "xyz.tsv"}, FileNotFound, r"^caslib 'CASUSER' has no file 'xyz.tsv'$"),
            ({"path": "d.csv", "caslib": "z"}, CaslibNotFound, r"^no caslib is named 'z'$"),
            (
                {"path": "d.csv", "vars": "c"},
                ColumnNotFound,
                r"^the file 'd.csv' has no column 'c'$",
            ),
            (
                {"path": "d.csv", "importOptions": {"sheet": "a"}},
                NotSupportedError,
                (
                    r"^parameter 'importOptions.sheet' of table.loadTable is not supported yet: "
                    r"workbooks are not read$"
                ),
            ),
            (
                {"path": "d.csv", "link": True, "importOptions": {"vars": {"a": {}}}},
                InvalidParameters,
                (
                    r"^parameters 'link' and 'importOptions.vars' got both, expected one of them; "
                    r"the types of a link are those its values have$"
                ),
            ),
        ],
    )
    def test_what_is_wrong_leaves_nothing_behind(
        self,
        run: Run,
        stores: MemoryStores,
        folder: Path,
        raw: dict[str, Any],
        error: type[EngineError],
        message: str,
    ) -> None:
        (folder / "d.csv").write_text("a,b\n1,x\n")

        with nothing_changes(stores), pytest.raises(error, match=message):
            run("table.loadTable", **raw)


class TestImages:
    def test_a_folder_of_images_becomes_a_table(self, run: Run, ctx: Context, folder: Path) -> None:
        image = picture(np.zeros((2, 2, 3)))
        for name in ("b/2.png", "a/1.png", "b/.hidden"):
            path = folder / "pets" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image)
        (folder / "pets" / "b" / "way.png").symlink_to("/etc/passwd")

        run("image.loadImages", path="pets")

        assert rows_of(ctx, "pets") == [
            {
                "_image_": image,
                "_label_": label,
                "_filename_0": name,
                "_id_": count,
                "_path_": (folder / "pets" / label / name).as_posix(),
                "_type_": "png",
                "_size_": len(image),
            }
            for count, (label, name) in enumerate([("a", "1.png"), ("b", "2.png")], start=1)
        ]

    def test_a_file_that_is_no_image_is_named(
        self, run: Run, stores: MemoryStores, folder: Path
    ) -> None:
        (folder / "pets").mkdir()
        (folder / "pets" / "notes.png").write_text("no image")

        message = r"^image 'notes.png' cannot be decoded, expected one of PNG"
        with nothing_changes(stores), pytest.raises(InvalidFile, match=message):
            run("image.loadImages", path="pets", casOut="t")


COLUMNS = {
    "i": [1, None],
    "d": [0.5, 2.0],
    "s": ["x,y", 'say "hi"'],
    "t": pa.array([0, 1], pa.timestamp("s")),
}


class TestSaving:
    def test_csv_quotes_text_and_leaves_missing_empty(
        self, run: Run, ctx: Context, folder: Path
    ) -> None:
        put(ctx, "t", COLUMNS)

        run("table.save", table="t", name="out/t.csv")

        assert (folder / "out" / "t.csv").read_text() == (
            '"i","d","s","t"\n'
            '1,0.5,"x,y","1970-01-01 00:00:00"\n'
            ',2,"say ""hi""","1970-01-01 00:00:01"\n'
        )

    def test_parquet_and_arrow_keep_every_type(self, run: Run, ctx: Context, folder: Path) -> None:
        put(ctx, "t", COLUMNS)

        run("table.save", table="t", name="t.parquet")
        run("table.save", table={"name": "t", "vars": "s"}, name="t.arrow")

        assert parquet.read_table(folder / "t.parquet").to_pylist() == rows_of(ctx, "t")
        with pa.memory_map(str(folder / "t.arrow")) as file, ipc.open_file(file) as reader:
            assert reader.read_all().to_pylist() == [{"s": "x,y"}, {"s": 'say "hi"'}]

    def test_what_was_saved_can_be_loaded(self, run: Run, ctx: Context) -> None:
        put(ctx, "t", {"i": [1, None], "d": [0.1, 2.5], "s": ["a", None]})

        run("table.save", table="t", name="t.csv")
        run("table.loadTable", path="t.csv", casOut="again")

        assert rows_of(ctx, "again") == rows_of(ctx, "t")

    def test_a_file_is_not_replaced_unless_asked(
        self, run: Run, ctx: Context, folder: Path
    ) -> None:
        put(ctx, "t", {"a": [1]})
        (folder / "t.csv").write_text("mine")

        message = r"^the file 't.csv' exists in caslib 'CASUSER'; set replace to overwrite it$"
        with pytest.raises(InvalidFile, match=message):
            run("table.save", table="t", name="t.csv")
        assert (folder / "t.csv").read_text() == "mine"

        run("table.save", table="t", name="t.csv", replace=True)
        assert (folder / "t.csv").read_text() == '"a"\n1\n'

    def test_a_save_that_fails_leaves_the_old_file_and_no_other(
        self, run: Run, ctx: Context, folder: Path
    ) -> None:
        put(ctx, "t", {"a": [b"\x00"]})
        (folder / "t.csv").write_text("mine")

        message = (
            r"^column 'a' holds bytes, which CSV cannot; save as .parquet, or choose columns "
            r"with vars$"
        )
        with pytest.raises(InvalidParameters, match=message):
            run("table.save", table="t", name="t.csv", replace=True)
        stopped = replace(ctx, cancelled=lambda: True)
        raw: dict[str, Json] = {"table": "t", "name": "t.parquet"}
        with pytest.raises(Cancelled, match=r"^the work was cancelled while a file was written$"):
            run_action(stopped, "table.save", raw)

        assert [path.name for path in folder.iterdir()] == ["t.csv"]
        assert (folder / "t.csv").read_text() == "mine"

    @pytest.mark.parametrize(
        ("raw", "error", "message"),
        [
            (
                {"table": "t", "name": "t.sas7bdat"},
                InvalidParameters,
                (
                    r"^parameter 'name' got 't.sas7bdat', expected a name that ends in .csv, "
                    r".parquet, .arrow, .sashdat$"
                ),
            ),
            ({"table": "t", "name": "../t.csv"}, PathForbidden, r"climbs with '..', expected a"),
            (
                {"table": "t", "name": "folder.csv"},
                PathForbidden,
                r"^the path 'folder.csv' is a folder, expected a file inside caslib 'CASUSER'$",
            ),
            ({"table": "u", "name": "u.csv"}, TableNotFound, r"^no table is named 'u'"),
        ],
    )
    def test_what_is_wrong_writes_nothing(
        self,
        run: Run,
        ctx: Context,
        folder: Path,
        raw: dict[str, Any],
        error: type[EngineError],
        message: str,
    ) -> None:
        put(ctx, "t", {"a": [1]})
        (folder / "folder.csv").mkdir()

        with pytest.raises(error, match=message):
            run("table.save", **raw)

        assert [path.name for path in folder.iterdir()] == ["folder.csv"]


class TestCaslibs:
    @pytest.fixture
    def allowed(self, ctx: Context, tmp_path: Path) -> Run:
        """Run actions where caslibs may be added inside one folder."""
        root = tmp_path / "allowed"
        (root / "mine").mkdir(parents=True)
        (tmp_path / "other").mkdir()
        (root / "way").symlink_to(tmp_path / "other")
        wide = replace(ctx, caslib_roots=(root,))

        def call(action: str, /, **raw: Json) -> ActionResult:
            return run_action(wide, action, raw)

        return call

    def test_a_folder_is_added_read_and_dropped(
        self, allowed: Run, ctx: Context, tmp_path: Path
    ) -> None:
        folder = tmp_path / "allowed" / "mine"
        (folder / "t.csv").write_text("a\n1\n")
        (folder / ".hidden").write_text("")
        (folder / "sub").mkdir()

        added = allowed("table.addCaslib", name="mine", path=str(folder), activeOnAdd=False)
        assert added.tables["CASLibInfo"].records() == [
            {
                "Name": "mine",
                "Type": "PATH",
                "Description": "",
                "Path": f"{folder}/",
                "Definition": "",
                "Subdirs": 1.0,
                "Local": 1.0,
                "Active": 0.0,
                "Personal": 0.0,
                "Hidden": 0.0,
                "Transient": 0.0,
                "Global": 0.0,
            }
        ]
        listed = allowed("table.fileInfo", caslib="MINE").tables["FileInfo"].records()
        assert [(row["Name"], row["Folder"]) for row in listed] == [("sub", 1), ("t.csv", 0)]
        one = allowed("table.fileInfo", caslib="mine", path="t.csv").tables["FileInfo"].records()
        assert [(row["Name"], row["Size"]) for row in one] == [("t.csv", 4)]
        every = allowed("table.fileInfo", caslib="mine", allFiles=True, includeDirectories=False)
        assert [row["Name"] for row in every.tables["FileInfo"].records()] == [".hidden", "t.csv"]
        allowed("table.loadTable", path="t.csv", caslib="mine", casOut="t")
        assert rows_of(ctx, "t") == [{"a": 1}]

        allowed("table.dropCaslib", caslib="mine")
        with pytest.raises(CaslibNotFound, match=r"^no caslib is named 'mine'$"):
            allowed("table.dropCaslib", caslib="mine")
        allowed("table.dropCaslib", caslib="mine", quiet=True)
        assert (folder / "t.csv").exists()

    def test_an_added_caslib_becomes_the_active_one(
        self, allowed: Run, stores: MemoryStores, tmp_path: Path
    ) -> None:
        allowed("table.addCaslib", name="mine", path=str(tmp_path / "allowed" / "mine"))

        assert stores.context().session.active_caslib == "mine"

    @pytest.mark.parametrize("path", ["other", "allowed/way", "allowed/none", "allowed/../other"])
    def test_a_folder_outside_the_allowed_ones_is_refused(
        self, allowed: Run, tmp_path: Path, path: str
    ) -> None:
        with pytest.raises(PathForbidden, match=r"is no folder the server allows caslibs in, "):
            allowed("table.addCaslib", name="x", path=str(tmp_path / path))

    def test_relative_folders_and_those_of_a_server_without_roots_are_refused(
        self, run: Run
    ) -> None:
        message = (
            r"^the path 'x' is no folder the server allows caslibs in, expected one inside "
            r"none: it allows none$"
        )
        with pytest.raises(PathForbidden, match=message):
            run("table.addCaslib", name="x", path="x")
        with pytest.raises(PathForbidden):
            run("table.addCaslib", name="x", path="/\0")

    def test_a_name_that_is_taken_is_refused(self, allowed: Run, tmp_path: Path) -> None:
        path = str(tmp_path / "allowed" / "mine")
        with pytest.raises(Conflict, match=r"^a caslib is named 'public' already$"):
            allowed("table.addCaslib", name="public", path=path)

    def test_built_in_caslibs_stay(self, run: Run) -> None:
        with pytest.raises(NotPermitted, match=r"^the caslib 'CASUSER' is built in and cannot be"):
            run("table.dropCaslib", caslib="casuser")

    def test_caslibs_are_listed(self, run: Run, ctx: Context) -> None:
        listed = run("table.caslibInfo").tables["CASLibInfo"].records()
        assert [(row["Name"], row["Active"]) for row in listed] == [("CASUSER", 1), ("PUBLIC", 0)]
        active = run("table.caslibInfo", active=True).tables["CASLibInfo"].records()
        assert [row["Name"] for row in active] == ["CASUSER"]
        ctx.caslibs.add(Caslib("extra", Path("/nowhere"), "global"))
        one = run("table.caslibInfo", caslib="EXTRA").tables["CASLibInfo"].records()
        assert [row["Name"] for row in one] == ["extra"]
